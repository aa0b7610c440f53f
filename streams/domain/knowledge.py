"""What the events say of one checkout, whatever order they came in.

Invariant: ``join`` is associative, commutative and idempotent, and ``advance`` is a join with one
event, so the same set of events gives the same knowledge in any order and with any repeats.
Every part is a minimum, a maximum or an "or" over the events, which is what makes that true.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from streams.domain.events import Facets, Kind, Origin, Site, SourceEvent, Version
from streams.domain.privacy import erase

if TYPE_CHECKING:
    from datetime import datetime

_T = TypeVar("_T", bound="datetime | tuple[object, ...]")


class Content(NamedTuple):
    """An entity as one event gave it; ``is_erased``: without its personal data."""

    version: Version
    entity: bytes
    is_erased: bool


class RankedFacets(NamedTuple):
    """Facets with their precedence: ordinary events before erasures, then the highest version."""

    is_ordinary: bool
    version: Version
    facets: Facets


class RecoveredDate(NamedTuple):
    """A ``checkoutRecoveredDate`` and the version that gave it."""

    version: Version
    recovered_at: datetime


class Origination(NamedTuple):
    """A site and the version that named it."""

    version: Version
    site: Site


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything known of one checkout. Instants are aware UTC; None: no event said so.

    Attributes:
        origination: site of the lowest version.
        newest: the highest version of any event.
        content: entity of the highest version that carries one.
        ranked_facets: what counting needs, of the highest version that is no erasure.
        created_at: earliest ``createdDate``.
        created_event_at: earliest time of a created event.
        recovered_date: ``checkoutRecoveredDate`` of the highest version that has one.
        recovered_action_at: earliest time of a recovered action.
        recovered_status_at: earliest time of an event with status RECOVERED.
        erased_through: highest version of an anonymize request.
        is_erased_for_good: an operator asked for erasure.
        deleted_at: earliest time of a deletion.
    """

    origination: Origination
    newest: Version
    content: Content | None
    ranked_facets: RankedFacets | None
    created_at: datetime | None
    created_event_at: datetime | None
    recovered_date: RecoveredDate | None
    recovered_action_at: datetime | None
    recovered_status_at: datetime | None
    erased_through: Version | None
    is_erased_for_good: bool
    deleted_at: datetime | None

    @property
    def site(self) -> Site:
        """The site that the checkout belongs to."""
        return self.origination.site

    @property
    def facets(self) -> Facets | None:
        """What counting needs of the entity; None when no event carried one."""
        return None if self.ranked_facets is None else self.ranked_facets.facets

    @property
    def abandoned_at(self) -> datetime | None:
        """When the buyer left, if any event says so."""
        return self.created_event_at if self.created_at is None else self.created_at

    @property
    def recovered_at(self) -> datetime | None:
        """When the buyer bought after all; None: not recovered, as far as we know."""
        if self.recovered_date is not None:
            return self.recovered_date.recovered_at
        if self.recovered_action_at is not None:
            return self.recovered_action_at
        return self.recovered_status_at

    @property
    def is_anonymized(self) -> bool:
        """Whether a person's data was ever asked to be removed from this checkout."""
        return self.erased_through is not None or self.is_erased_for_good

    @property
    def is_deleted(self) -> bool:
        """Whether a deletion is known."""
        return self.deleted_at is not None


def advance(knowledge: Knowledge | None, event: SourceEvent) -> Knowledge:
    """Knowledge with one more event; the first event makes it."""
    said = knowledge_of(event)
    return said if knowledge is None else join(knowledge, said)


def knowledge_of(event: SourceEvent) -> Knowledge:
    """What one event says by itself."""
    is_deletion = event.kind is Kind.DELETED
    is_erasure = event.is_anonymize_request or is_deletion
    recovered = event.recovered_at
    return _erased(
        Knowledge(
            origination=Origination(event.version, event.site),
            newest=event.version,
            content=None if event.entity is None else Content(event.version, event.entity, False),
            ranked_facets=None
            if event.facets is None
            else RankedFacets(not is_erasure, event.version, event.facets),
            created_at=event.created_at,
            created_event_at=event.event_at if event.kind is Kind.CREATED else None,
            recovered_date=None if recovered is None else RecoveredDate(event.version, recovered),
            recovered_action_at=event.event_at if event.kind is Kind.RECOVERED else None,
            recovered_status_at=event.event_at if event.is_status_recovered else None,
            erased_through=event.version if event.is_anonymize_request else None,
            is_erased_for_good=event.is_anonymize_request and event.origin is Origin.OPERATOR,
            deleted_at=event.event_at if is_deletion else None,
        )
    )


def join(one: Knowledge, other: Knowledge) -> Knowledge:
    """Knowledge of the events of both."""
    return _erased(
        Knowledge(
            origination=min(one.origination, other.origination),
            newest=max(one.newest, other.newest),
            content=_newer_content(one.content, other.content),
            ranked_facets=_newer_facets(one.ranked_facets, other.ranked_facets),
            created_at=_least(one.created_at, other.created_at),
            created_event_at=_least(one.created_event_at, other.created_event_at),
            recovered_date=_greatest(one.recovered_date, other.recovered_date),
            recovered_action_at=_least(one.recovered_action_at, other.recovered_action_at),
            recovered_status_at=_least(one.recovered_status_at, other.recovered_status_at),
            erased_through=_greatest(one.erased_through, other.erased_through),
            is_erased_for_good=one.is_erased_for_good or other.is_erased_for_good,
            deleted_at=_least(one.deleted_at, other.deleted_at),
        )
    )


def _erased(knowledge: Knowledge) -> Knowledge:
    """Hold no personal data that an erasure covers.

    Idempotent and monotone, so it can follow every join without disturbing the join's laws.
    """
    content = knowledge.content
    if content is None or content.is_erased:
        return knowledge
    if (
        knowledge.is_deleted
        or knowledge.is_erased_for_good
        or (knowledge.erased_through is not None and content.version <= knowledge.erased_through)
    ):
        return replace(knowledge, content=Content(content.version, erase(content.entity), True))
    return knowledge


def _newer_content(one: Content | None, other: Content | None) -> Content | None:
    if one is None or other is None:
        return other if one is None else one
    if one.version == other.version:  # the same event: an erased copy must stay erased
        return one if one.is_erased else other
    return one if one.version > other.version else other


def _newer_facets(one: RankedFacets | None, other: RankedFacets | None) -> RankedFacets | None:
    if one is None or other is None:
        return other if one is None else one
    return other if other[:2] > one[:2] else one


def _least(one: _T | None, other: _T | None) -> _T | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _greatest(one: _T | None, other: _T | None) -> _T | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
