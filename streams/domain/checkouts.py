"""One checkout as a worker holds it, and what happens to it when an event arrives.

Invariants of what is announced, whatever the order of arrival: recovered is announced iff it is
known, once; abandoned at most once and never after recovered, deleted or anonymized was known; a
repeat announces nothing; the same log announces the same ids; what has aged out is never announced
abandoned or recovered again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from streams.domain.contributions import Contribution, contribution_of
from streams.domain.events import Kind
from streams.domain.knowledge import Knowledge, advance

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from streams.domain.events import SourceEvent
    from streams.domain.law import Law

#: Compares two entities (raw JSON) and names what changed of contact, url, total and items.
Compare = Callable[[bytes, bytes], tuple[str, ...]]


class Announcement(Enum):
    """The types of lifecycle events."""

    ABANDONED = "checkout.abandoned"
    CHANGED = "checkout.changed"
    RECOVERED = "checkout.recovered"
    ANONYMIZED = "checkout.anonymized"
    DELETED = "checkout.deleted"


@dataclass(frozen=True, slots=True)
class Told:
    """What subscribers have heard of a checkout so far.

    ``is_barred``: it aged out, or its news came too late: neither abandoned nor recovered will
    be announced (again).
    """

    revision: int = 0
    is_abandoned: bool = False
    is_recovered: bool = False
    is_anonymized: bool = False
    is_deleted: bool = False
    is_barred: bool = False


@dataclass(frozen=True, slots=True)
class Checkout:
    """State of one checkout: what is known, what was told, and when it was last heard of."""

    knowledge: Knowledge
    told: Told
    last_received_at: datetime

    def ages_out_at(self, law: Law) -> datetime:
        """The log time after which this checkout is forgotten."""
        newest = self.last_received_at
        for instant in (self.knowledge.abandoned_at, self.knowledge.recovered_at):
            if instant is not None and instant > newest:
                newest = instant
        return later(newest, law.span)


@dataclass(frozen=True, slots=True)
class News:
    """Something to announce. ``discriminator`` and type make its id; equal ids, equal bytes."""

    type: Announcement
    discriminator: str = ""
    changed_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event did: the new state, what to announce in order, and the counts' two sides.

    The counts subtract ``before`` and add ``after``; equal sides are no fact.
    ``is_late``: the event was older than anything that counts.
    """

    checkout: Checkout
    news: tuple[News, ...]
    before: Contribution | None
    after: Contribution | None
    is_late: bool


def receive(
    checkout: Checkout | None, event: SourceEvent, *, law: Law, compare: Compare
) -> Outcome:
    """Take in one event. The log time is the event's receive time; no clock is read."""
    now = event.received_at
    if checkout is not None and checkout.ages_out_at(law) < now:
        checkout = None
    known = None if checkout is None else checkout.knowledge
    told = Told() if checkout is None else checkout.told
    after = advance(known, event)
    is_late = later(event.event_at, law.span) < now
    if known is None:
        if is_late or _may_have_aged_out(after, event, law):
            told = replace(told, is_barred=True)
    elif is_late and known.recovered_at is None and after.recovered_at is not None:
        told = replace(told, is_barred=True)
    told, news = _announce(
        known, after, event, told=told, is_late=is_late, law=law, compare=compare
    )
    return Outcome(
        checkout=Checkout(
            knowledge=after,
            told=told,
            last_received_at=now if checkout is None else max(now, checkout.last_received_at),
        ),
        news=news,
        before=None if known is None else contribution_of(known),
        after=contribution_of(after),
        is_late=is_late,
    )


def _may_have_aged_out(first: Knowledge, event: SourceEvent, law: Law) -> bool:
    """Whether an unknown checkout may be one that we have forgotten, and told of before.

    So is one that was abandoned long ago; and one of which an update says that it is recovered
    without saying when, or when it was abandoned: a recovery itself is never heard of so.
    """
    if first.abandoned_at is not None:
        return later(first.abandoned_at, law.span) < event.received_at
    return event.kind is Kind.UPDATED and event.is_status_recovered and event.recovered_at is None


def _announce(  # noqa: PLR0913  # the law needs to see all of it
    known: Knowledge | None,
    after: Knowledge,
    event: SourceEvent,
    *,
    told: Told,
    is_late: bool,
    law: Law,
    compare: Compare,
) -> tuple[Told, tuple[News, ...]]:
    news: list[News] = []
    is_open = after.recovered_at is None and not after.is_deleted and not after.is_anonymized
    if is_late or told.is_barred:
        pass
    elif after.recovered_at is not None:
        if not told.is_recovered:
            news.append(News(Announcement.RECOVERED))
            told = replace(told, is_recovered=True)
    elif is_open and told.is_abandoned:
        news.extend(_changes(known, after, compare))
    elif is_open and _is_first_heard_in_time(known, after, event, law):
        news.append(News(Announcement.ABANDONED))
        told = replace(told, is_abandoned=True)
    if after.is_anonymized and not told.is_anonymized:
        news.append(News(Announcement.ANONYMIZED))
        told = replace(told, is_anonymized=True)
    if after.is_deleted and not told.is_deleted:
        news.append(News(Announcement.DELETED))
        told = replace(told, is_deleted=True)
    if news:
        told = replace(told, revision=told.revision + len(news))
    return told, tuple(news)


def _is_first_heard_in_time(
    known: Knowledge | None, after: Knowledge, event: SourceEvent, law: Law
) -> bool:
    abandoned_at = after.abandoned_at
    return (
        abandoned_at is not None
        and (known is None or known.abandoned_at is None)
        and event.event_at <= later(abandoned_at, law.announce_within)
    )


def _changes(known: Knowledge | None, after: Knowledge, compare: Compare) -> tuple[News, ...]:
    if known is None or known.content is None or after.content is None:
        return ()
    version = after.content.version
    if version == known.content.version:
        return ()
    changed = compare(known.content.entity, after.content.entity)
    return (News(Announcement.CHANGED, str(version), changed),) if changed else ()


def later(instant: datetime, by: timedelta) -> datetime:
    """``instant + by``, or the last instant there is: a date in the year 9999 is no error."""
    try:
        return instant + by
    except OverflowError:
        return instant.max.replace(tzinfo=instant.tzinfo)
