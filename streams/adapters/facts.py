"""The internal topic of conversion facts: what changed in a site's counts, and ticks of time.

Keyed by instance id, so a site's facts are in order in one partition. JSON, for people who look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from streams.adapters.errors import InvalidMessage
from streams.domain.contributions import Contribution
from streams.domain.events import Site, Stage

if TYPE_CHECKING:
    from streams.domain.checkouts import Outcome
    from streams.domain.events import SourceEvent


class _Side(msgspec.Struct, gc=False):
    abandoned_at: datetime | None
    recovered_at: datetime | None
    currency: str | None
    amount: str | None
    stage: Stage
    is_reachable: bool
    is_touched: bool
    is_staff: bool


class _Source(msgspec.Struct, gc=False):
    partition: int
    offset: int


class _FactV1(msgspec.Struct, gc=False, tag_field="kind", tag="fact"):
    schema_version: int
    instance_id: str
    site_id: str
    source: _Source
    event_at: datetime
    received_at: datetime
    before: _Side | None
    after: _Side | None


class _TickV1(msgspec.Struct, gc=False, tag_field="kind", tag="tick"):
    at: datetime


_encode: Final = msgspec.json.Encoder(decimal_format="string").encode
_decode: Final = msgspec.json.Decoder(_FactV1 | _TickV1).decode


@dataclass(frozen=True, slots=True)
class Fact:
    """A change of one checkout's part in the counts of one site."""

    site: Site
    event_at: datetime
    received_at: datetime
    before: Contribution | None
    after: Contribution | None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: written by the owner of the partition while it is caught up."""

    at: datetime


def encode_facts(
    outcome: Outcome, event: SourceEvent, *, partition: int, offset: int
) -> list[tuple[bytes, bytes]]:
    """Key and value of each fact that an event makes: none, one, or two on a change of site."""
    before, after = outcome.before, outcome.after
    if before == after:
        return []
    sides: list[tuple[Site, Contribution | None, Contribution | None]]
    if before is not None and after is not None:
        if before.site.instance_id == after.site.instance_id:
            sides = [(after.site, before, after)]
        else:
            sides = [(before.site, before, None), (after.site, None, after)]
    elif after is not None:
        sides = [(after.site, None, after)]
    else:
        return []
    facts = []
    for site, one, other in sides:
        fact = _FactV1(
            schema_version=1,
            instance_id=site.instance_id,
            site_id=site.site_id,
            source=_Source(partition, offset),
            event_at=event.event_at,
            received_at=event.received_at,
            before=_side(one),
            after=_side(other),
        )
        facts.append((site.instance_id.encode(), _encode(fact)))
    return facts


def encode_tick(at: datetime) -> bytes:
    """The value of a tick."""
    return _encode(_TickV1(at))


def read_fact(value: bytes | None) -> Fact | Tick:
    """Read a record of the facts topic.

    Raises:
        InvalidMessage: with the reason code for the dead-letter topic.
    """
    try:
        record = _decode(value or b"")
        if isinstance(record, _TickV1):
            return Tick(record.at)
        return Fact(
            Site(record.instance_id, record.site_id, ""),
            record.event_at,
            record.received_at,
            _contribution(record.instance_id, record.before),
            _contribution(record.instance_id, record.after),
        )
    except (msgspec.DecodeError, ValueError, ArithmeticError):
        raise InvalidMessage("fact_unreadable") from None


def _side(contribution: Contribution | None) -> _Side | None:
    if contribution is None:
        return None
    return _Side(
        abandoned_at=contribution.abandoned_at,
        recovered_at=contribution.recovered_at,
        currency=contribution.currency,
        amount=None if contribution.amount is None else f"{contribution.amount:f}",
        stage=contribution.stage,
        is_reachable=contribution.is_reachable,
        is_touched=contribution.is_touched,
        is_staff=contribution.is_staff,
    )


def _contribution(instance_id: str, side: _Side | None) -> Contribution | None:
    """Wix's own site and account ids count nothing, so they are left out: equal is equal."""
    if side is None:
        return None
    return Contribution(
        site=Site(instance_id, "", ""),
        abandoned_at=side.abandoned_at,
        recovered_at=side.recovered_at,
        currency=side.currency,
        amount=None if side.amount is None else Decimal(side.amount),
        stage=side.stage,
        is_reachable=side.is_reachable,
        is_touched=side.is_touched,
        is_staff=side.is_staff,
    )
