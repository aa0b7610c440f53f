"""Posts webhooks as Wix does: signed, and again until they are accepted."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

from tests.support.services import wait_until
from tests.support.signing import sign


def post(ingress_url: str, claims: dict[str, Any]) -> None:
    """Return once the webhook is accepted; a busy machine may be told to come back."""
    token = sign(claims).encode()
    wait_until(lambda: _send(ingress_url, token) == 200, 30)


def _send(ingress_url: str, body: bytes) -> int:
    try:
        request = urllib.request.Request(ingress_url, body, method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
