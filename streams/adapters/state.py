"""The bytes of a checkout in the ``checkouts`` table, and of knowledge by itself.

A byte for the layout's version, eight for the instant it ages out (big-endian milliseconds), then
MessagePack. A sweep reads the first nine only. Knowledge by itself is a byte for the layout's
version, then MessagePack. Invariant: what an older release wrote is read.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streams.domain.checkouts import Checkout, Told
from streams.domain.events import Facets, Site, Stage, Touch, Version
from streams.domain.knowledge import (
    Content,
    Knowledge,
    Origination,
    RankedFacets,
    RecoveredDate,
)

if TYPE_CHECKING:
    from streams.domain.law import Law

_VERSION: Final = 1
_HEADER: Final = 9

_Facets = tuple[str | None, Decimal | None, Stage, bool, bool, tuple[Touch, ...]]


class _KnowledgeV1(msgspec.Struct, array_like=True, gc=False):
    origination: tuple[Version, Site]
    newest: Version
    content: tuple[Version, bytes, bool] | None
    facets: tuple[bool, Version, _Facets] | None
    created_at: datetime | None
    created_event_at: datetime | None
    recovered_date: tuple[Version, datetime] | None
    recovered_action_at: datetime | None
    recovered_status_at: datetime | None
    erased_through: Version | None
    is_erased_for_good: bool
    deleted_at: datetime | None


class _StateV1(_KnowledgeV1, array_like=True, gc=False):  # its fields come after the knowledge's
    told: tuple[int, bool, bool, bool, bool, bool]
    last_received_at: datetime


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_v1: Final = msgspec.msgpack.Decoder(_StateV1).decode
_decode_knowledge_v1: Final = msgspec.msgpack.Decoder(_KnowledgeV1).decode


class UnknownStateVersionError(Exception):
    """The state was written by a newer release: run that release, or rebuild the state."""


def encode_checkout(checkout: Checkout, *, law: Law) -> bytes:
    """The table's value for a checkout."""
    told = checkout.told
    flags = (
        told.revision,
        told.is_abandoned,
        told.is_recovered,
        told.is_anonymized,
        told.is_deleted,
        told.is_barred,
    )
    state = _StateV1(*(*_fields(checkout.knowledge), flags, checkout.last_received_at))
    ages_out_ms = int(checkout.ages_out_at(law).timestamp() * 1000)
    return bytes((_VERSION,)) + ages_out_ms.to_bytes(8, "big", signed=True) + _encode(state)


def decode_checkout(value: bytes) -> Checkout:
    """The checkout of a table's value.

    Raises:
        UnknownStateVersionError: a newer release wrote it.
    """
    _check_version(value)
    state = _decode_v1(memoryview(value)[_HEADER:])
    return Checkout(
        knowledge=_knowledge(state),
        told=Told(*state.told),
        last_received_at=state.last_received_at,
    )


def encode_knowledge(knowledge: Knowledge) -> bytes:
    """Knowledge alone, for a reader that announces nothing."""
    return bytes((_VERSION,)) + _encode(_KnowledgeV1(*_fields(knowledge)))


def decode_knowledge(value: bytes) -> Knowledge:
    """The knowledge of these bytes.

    Raises:
        UnknownStateVersionError: a newer release wrote them.
    """
    _check_version(value)
    return _knowledge(_decode_knowledge_v1(memoryview(value)[1:]))


def has_aged_out(value: bytes, *, now_ms: int) -> bool:
    """Whether a table's value is past its time, without decoding it."""
    return int.from_bytes(value[1:_HEADER], "big", signed=True) < now_ms


def _check_version(value: bytes) -> None:
    if value[0] != _VERSION:
        raise UnknownStateVersionError(
            f"checkout state of layout {value[0]}; this release reads up to {_VERSION}"
        )


def _fields(knowledge: Knowledge) -> tuple[Any, ...]:
    """In the order of the layout."""
    facets = knowledge.ranked_facets
    return (
        knowledge.origination,
        knowledge.newest,
        knowledge.content,
        None if facets is None else (facets.is_ordinary, facets.version, _flat(facets.facets)),
        knowledge.created_at,
        knowledge.created_event_at,
        knowledge.recovered_date,
        knowledge.recovered_action_at,
        knowledge.recovered_status_at,
        knowledge.erased_through,
        knowledge.is_erased_for_good,
        knowledge.deleted_at,
    )


def _knowledge(state: _KnowledgeV1) -> Knowledge:
    facets = state.facets
    return Knowledge(
        origination=Origination(*state.origination),
        newest=state.newest,
        content=None if state.content is None else Content(*state.content),
        ranked_facets=None
        if facets is None
        else RankedFacets(facets[0], facets[1], Facets(*facets[2])),
        created_at=state.created_at,
        created_event_at=state.created_event_at,
        recovered_date=None
        if state.recovered_date is None
        else RecoveredDate(*state.recovered_date),
        recovered_action_at=state.recovered_action_at,
        recovered_status_at=state.recovered_status_at,
        erased_through=state.erased_through,
        is_erased_for_good=state.is_erased_for_good,
        deleted_at=state.deleted_at,
    )


def _flat(facets: Facets) -> _Facets:
    return (
        facets.currency,
        facets.amount,
        facets.stage,
        facets.is_reachable,
        facets.is_staff,
        facets.touches,
    )
