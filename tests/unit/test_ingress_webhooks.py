"""What the endpoint does when its own parts fail or the loop is behind, without a server."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from streams.adapters.keys import PublicKey
from streams.adapters.tokens import Verifier
from streams.config import load_settings
from streams.ingress.metrics import IngressMetrics
from streams.ingress.publisher import Publisher
from streams.ingress.pulse import Pulse
from streams.ingress.webhooks import Webhooks
from tests.support.builders import T0, entity, wix_event
from tests.support.signing import private_key, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

BODY = token(wix_event("created", entity(), event_id="e-1", when=T0)).encode()


class Request:
    """One request as the server hands it over, and the answer it is given."""

    def __init__(self, body: bytes = BODY) -> None:
        self._body = body
        self.reads = 0
        self.answer: tuple[int, list[tuple[str, str]], bytes] | None = None
        self.scope = SimpleNamespace(
            path="/webhooks/wix", method="POST", headers={"content-length": str(len(body))}
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.reads += 1
        yield self._body

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        assert self.answer is None, "answered once"
        self.answer = (status, headers, body)


class Failing(Verifier):
    def verify(self, token: bytes, *, now: float) -> Any:
        raise ValueError(f"no idea what {token!r} is at {now}")


def endpoint(verifier: Verifier, tmp_path: Path) -> tuple[Webhooks, Pulse, IngressMetrics]:
    settings = load_settings(bootstrap_servers="127.0.0.1:1")
    pulse, metrics = Pulse(), IngressMetrics()
    return Webhooks(settings, verifier, Publisher(settings), pulse, metrics), pulse, metrics


def good(tmp_path: Path) -> Verifier:
    return Verifier([PublicKey("app", tmp_path, private_key("app").public_key())])


async def test_an_unexpected_error_is_answered_500_and_told_without_the_payload(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    webhooks, _, _ = endpoint(Failing([]), tmp_path)
    request = Request()
    await webhooks.__rsgi__(request.scope, request)
    assert request.answer is not None
    assert request.answer[0] == 500
    assert json.loads(request.answer[2]) == {"error": "internal_error"}
    assert webhooks.in_flight == 0
    captured = capsys.readouterr()
    told = captured.err + captured.out
    assert "webhook_failed" in told
    assert "ValueError" in told
    assert BODY[:40].decode() not in told


async def test_a_request_that_waited_too_long_for_its_turn_is_refused_before_verifying(
    tmp_path: Path,
) -> None:
    webhooks, pulse, metrics = endpoint(Failing([]), tmp_path)
    pulse.earliest_arrival = time.monotonic() - 0.6
    request = Request()
    await webhooks.__rsgi__(request.scope, request)
    assert request.answer is not None
    status, headers, body = request.answer
    assert (status, body) == (503, b'{"error":"overloaded"}')
    assert dict(headers)["retry-after"]
    assert metrics.registry.get_sample_value(
        "checkout_recovery_ingress_answers_total", {"status": "503", "reason": "overloaded"}
    )


async def test_the_deadline_counts_from_the_arrival_and_not_from_the_turn(tmp_path: Path) -> None:
    webhooks, pulse, _ = endpoint(good(tmp_path), tmp_path)
    arrived = pulse.earliest_arrival = time.monotonic() - 0.4
    request = Request()
    await webhooks.__rsgi__(request.scope, request)
    assert request.answer is not None
    assert (request.answer[0], request.answer[2]) == (503, b'{"error":"kafka_slow"}')
    assert time.monotonic() - arrived < 1.25


async def test_a_body_in_crumbs_larger_than_the_limit_is_refused_without_reading_on(
    tmp_path: Path,
) -> None:
    class Endless(Request):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                self.reads += 1
                yield b"x" * 65_536

    webhooks, _, _ = endpoint(good(tmp_path), tmp_path)
    request = Endless()
    del request.scope.headers["content-length"]
    await webhooks.__rsgi__(request.scope, request)
    assert request.answer is not None
    assert request.answer[0] == 413
    assert request.reads == 17
