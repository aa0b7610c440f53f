"""Which lifecycle events the log must have led to: their ids and key fields."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from streams.demo.audit.recompute import (
    DAY,
    MICROSECONDS,
    Evidence,
    Verdict,
    evaluate,
    show,
    shown_parts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMESPACE: Final = uuid.UUID("8f5d2c1e-6a0b-5c47-9b7e-3d1f0c9a2e64")
_SPAN: Final = 37 * DAY
_IN_TIME: Final = 7 * DAY

Expected = dict[str, Any]


def expect_announcements(events: Iterable[Evidence]) -> list[Expected]:
    """Expected events of one checkout, in order; ``events`` in the order of its partition."""
    expected: list[Expected] = []
    life: list[Evidence] = []
    told: set[str] = set()
    for event in events:
        if life and _is_over(life, event):
            life, told = [], set()
        before = evaluate(life) if life else None
        life.append(event)
        after = evaluate(life)
        expected.extend(_news(before, after, event, told))
    return expected


def _news(
    before: Verdict | None, after: Verdict, event: Evidence, told: set[str]
) -> Iterable[Expected]:
    late = event.event_at + _SPAN < event.received_at
    if before is None:
        gone = after.abandoned_at is not None and after.abandoned_at + _SPAN < event.received_at
        if late or gone:
            told.add("barred")
    elif late and before.recovered_at is None and after.recovered_at is not None:
        told.add("barred")
    closed = after.is_deleted or after.is_anonymized
    if not late and "barred" not in told:
        if after.recovered_at is not None:
            if "recovered" not in told:
                told.add("recovered")
                yield _recovery(after, event, is_announced="abandoned" in told)
        elif not closed and "abandoned" in told:
            if _has_changed(before, after) and after.content is not None:
                yield _event(after, event, "changed", _text(after.content.version))
        elif (
            not closed
            and after.abandoned_at is not None
            and (before is None or before.abandoned_at is None)
            and event.event_at <= after.abandoned_at + _IN_TIME
        ):
            told.add("abandoned")
            yield _event(after, event, "abandoned")
    for name, is_known in (("anonymized", after.is_anonymized), ("deleted", after.is_deleted)):
        if is_known and name not in told:
            told.add(name)
            yield _event(after, event, name)


def _recovery(after: Verdict, event: Evidence, *, is_announced: bool) -> Expected:
    seconds = None
    if after.abandoned_at is not None and after.recovered_at is not None:
        seconds = max(0, after.recovered_at - after.abandoned_at) // MICROSECONDS
    return {
        **_event(after, event, "recovered"),
        "recovered_at": show(after.recovered_at),
        "time_to_recovery_seconds": seconds,
        "was_announced_abandoned": is_announced,
    }


def _event(after: Verdict, event: Evidence, name: str, discriminator: str = "") -> Expected:
    kind = f"checkout.{name}"
    return {
        "event_id": str(uuid.uuid5(_NAMESPACE, f"{event.checkout}|{kind}|{discriminator}")),
        "type": kind,
        "abandoned_checkout_id": event.checkout,
        "instance_id": after.instance,
        "abandoned_at": show(after.abandoned_at),
        "source_event_id": event.event_id,
        "recorded_at": show(event.received_at),
    }


def _has_changed(before: Verdict | None, after: Verdict) -> bool:
    if before is None or before.content is None or after.content is None:
        return False
    return before.content.version != after.content.version and shown_parts(
        before.content
    ) != shown_parts(after.content)


def _is_over(life: list[Evidence], event: Evidence) -> bool:
    verdict = evaluate(life)
    known = [at for at in (verdict.abandoned_at, verdict.recovered_at) if at is not None]
    return max([*known, *(e.received_at for e in life)]) + _SPAN < event.received_at


def _text(version: tuple[int, int, int, str]) -> str:
    updated, sequence, event_at, event_id = version
    return f"{show(updated, digits=6)}/{sequence}/{show(event_at, digits=6)}/{event_id}"
