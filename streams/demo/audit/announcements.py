"""Which lifecycle events the log must have led to: their ids, order and fields."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.demo.audit.shown import changed, last_touch, personal_strings, shown
from streams.demo.audit.times import SECOND, later, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.demo.audit.evidence import Version
    from streams.demo.audit.recompute import Step
    from streams.demo.audit.times import Rules

_NAMESPACE: Final = uuid.UUID("8f5d2c1e-6a0b-5c47-9b7e-3d1f0c9a2e64")
_BARRED: Final = "barred"

Fields = dict[str, Any]


class Expected(NamedTuple):
    """An event that must be published: its fields, and strings that must be nowhere in it."""

    fields: Fields
    forbidden: frozenset[str]


def expect_announcements(steps: Iterable[Step], rules: Rules) -> list[Expected]:
    """Expected events of one checkout, in their order."""
    expected: list[Expected] = []
    life = -1
    told: list[str] = []
    personal: frozenset[str] = frozenset()
    for step in steps:
        if step.life != life:
            life, told, personal = step.life, [], frozenset()
        personal |= personal_strings(step.event)
        for name, discriminator in _news(step, told, rules):
            number = sum(item != _BARRED for item in told)
            fields = _event(step, name, discriminator, told[:], number, rules)
            forbidden = personal if step.after.is_private else frozenset()
            expected.append(Expected(fields, forbidden))
    return expected


def _news(step: Step, told: list[str], rules: Rules) -> Iterator[tuple[str, str]]:
    """Names of what a step announces, each with its discriminator; notes it in ``told``."""
    after = step.after
    is_late = later(step.event.event_at, rules.span) < step.event.received_at
    if _is_barred_from_now(step, rules, is_late=is_late):
        told.append(_BARRED)
    if not is_late and _BARRED not in told:
        for name, discriminator in _open_news(step, told, rules):
            told.append(name)
            yield name, discriminator
    for name, is_known in (
        ("anonymized", after.is_anonymized),
        ("deleted", after.deleted_at is not None),
    ):
        if is_known and name not in told:
            told.append(name)
            yield name, ""


def _is_barred_from_now(step: Step, rules: Rules, *, is_late: bool) -> bool:
    """Whether this step's news is too old for ever to be announced."""
    if step.before is not None:
        newly_bought = step.before.recovered_at is None and step.after.recovered_at is not None
        return is_late and newly_bought
    begun, event = step.after.abandoned_at, step.event
    if begun is None:
        is_hearsay = event.kind == "updated" and step.after.recovered_at is not None
        return is_late or (is_hearsay and event.date("checkoutRecoveredDate") is None)
    return is_late or later(begun, rules.span) < event.received_at


def _open_news(step: Step, told: Sequence[str], rules: Rules) -> Iterator[tuple[str, str]]:
    before, after = step.before, step.after
    if after.recovered_at is not None:
        if "recovered" not in told:
            yield "recovered", ""
    elif after.is_private:
        return
    elif "abandoned" in told:
        if changed(before, after) and after.content is not None:
            yield "changed", _text(after.content.version)
    elif (
        after.abandoned_at is not None
        and (before is None or before.abandoned_at is None)
        and step.event.event_at <= later(after.abandoned_at, rules.announce_within)
    ):
        yield "abandoned", ""


def _event(  # one argument for each thing an event depends on
    step: Step, name: str, discriminator: str, told: Sequence[str], number: int, rules: Rules
) -> Fields:
    after, event = step.after, step.event
    kind = f"checkout.{name}"
    occurred = {
        "abandoned": after.abandoned_at,
        "recovered": after.recovered_at,
        "deleted": after.deleted_at,
    }.get(name)
    common = {
        "schema_version": 1,
        "event_id": str(uuid.uuid5(_NAMESPACE, f"{event.checkout}|{kind}|{discriminator}")),
        "type": kind,
        "occurred_at": show(event.event_at if occurred is None else occurred),
        "recorded_at": show(event.received_at),
        "origin": event.origin,
        "revision": number,
        "source_event_id": event.event_id,
        "abandoned_checkout_id": event.checkout,
        "instance_id": after.site.instance,
        "site_id": after.site.site or None,
        "account_id": after.site.account or None,
        "abandoned_at": show(after.abandoned_at),
        **shown(after),
    }
    return {**common, **_particulars(step, name, told, rules, common["total"])}


def _particulars(
    step: Step,
    name: str,
    told: Sequence[str],
    rules: Rules,
    total: Any,  # noqa: ANN401  # JSON
) -> Fields:
    after = step.after
    begun, bought = after.abandoned_at, after.recovered_at
    if name == "abandoned" and begun is not None:
        return {"expires_at": show(later(begun, rules.announce_within))}
    if name == "changed":
        return {"changed_fields": changed(step.before, after)}
    if name == "recovered" and bought is not None:
        return {
            "recovered_at": show(bought),
            "time_to_recovery_seconds": None if begun is None else max(0, bought - begun) // SECOND,
            "recovered_total": total,
            "was_announced_abandoned": "abandoned" in told,
            "last_touch": last_touch(after),
        }
    return {}


def _text(version: Version) -> str:
    return "/".join(
        (
            show(version.updated_at, digits=6) or "",
            str(version.sequence),
            show(version.event_at, digits=6) or "",
            version.event_id,
        )
    )
