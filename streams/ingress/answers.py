"""The answers of the ingress: a status, a reason code, a small JSON body."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

_JSON: Final = ("content-type", "application/json")
POSITION_HEADER: Final = "x-checkout-recovery-position"
_RETRY_AFTER_SECONDS: Final = "60"
_UNAVAILABLE: Final = 503


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``is_final`` is False for probes, which are not counted."""

    status: int
    reason: str
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=lambda: [_JSON])
    is_final: bool = True


ACCEPTED: Final = Answer(200, "other_event_type", b"{}")


def accepted(position: tuple[str, int, int]) -> Answer:
    """200: the record is on all in-sync replicas, at this topic, partition and offset."""
    topic, partition, offset = position
    return Answer(
        200, "accepted", b"{}", [_JSON, (POSITION_HEADER, f"{topic}-{partition}-{offset}")]
    )


def refused(status: int, reason: str, *, allow: str = "", is_final: bool = True) -> Answer:
    """Anything but 200. A 503 says when to try again."""
    headers = [_JSON]
    if status == _UNAVAILABLE:
        headers.append(("retry-after", _RETRY_AFTER_SECONDS))
    if allow:
        headers.append(("allow", allow))
    return Answer(status, reason, b'{"error":"%s"}' % reason.encode(), headers, is_final)
