"""The answers of the ingress: a status, a reason code, a small JSON body."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

_JSON: Final = "content-type: application/json\r\n"
POSITION_HEADER: Final = "x-checkout-recovery-position"
_RETRY_AFTER_SECONDS: Final = "60"
_UNAVAILABLE: Final = 503


class Answer(NamedTuple):
    """One answer; ``is_final`` is False for probes, which are not counted."""

    status: int
    reason: str
    body: bytes
    #: Lines of a header, each with its end, without the length.
    headers: bytes = _JSON.encode()
    is_final: bool = True


ACCEPTED: Final = Answer(200, "other_event_type", b"{}")


def accepted(position: tuple[str, int, int]) -> Answer:
    """200: the record is on all in-sync replicas, at this topic, partition and offset."""
    topic, partition, offset = position
    headers = f"{_JSON}{POSITION_HEADER}: {topic}-{partition}-{offset}\r\n"
    return Answer(200, "accepted", b"{}", headers.encode())


@cache
def refused(status: int, reason: str, *, allow: str = "", is_final: bool = True) -> Answer:
    """Anything but 200. A 503 says when to try again."""
    headers = _JSON
    if status == _UNAVAILABLE:
        headers += f"retry-after: {_RETRY_AFTER_SECONDS}\r\n"
    if allow:
        headers += f"allow: {allow}\r\n"
    return Answer(status, reason, b'{"error":"%s"}' % reason.encode(), headers.encode(), is_final)
