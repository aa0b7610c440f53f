"""Source events become rows of checkouts and of what was received, by the law of the worker.

Invariant: knowledge is a join of all events, so events that are read again change no checkout, and
rows that are older than the log are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import select

from streams.adapters.database.activity import Activity
from streams.adapters.database.columns import instant_key, storable
from streams.adapters.database.tables import CHECKOUTS, RECEIVED_EVENTS
from streams.api.model.activity import apply_activity
from streams.api.model.changes import changed_names
from streams.api.model.upserts import insert_new, upsert
from streams.api.rows import knowledge_of_row, row_of, served_entity
from streams.domain.contributions import contribution_of
from streams.domain.knowledge import advance

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection

    from streams.adapters.entity import Json
    from streams.api.model.records import Record
    from streams.domain.events import SourceEvent
    from streams.domain.knowledge import Knowledge

#: SQLite takes 32,766 parameters, older ones 999.
_KEYS_AT_ONCE = 900


class _Known(NamedTuple):
    """What is known of a checkout, and its answer: as JSON and read."""

    knowledge: Knowledge
    text: str
    entity: Json


def apply_events(
    connection: Connection, events: Sequence[tuple[Record, SourceEvent]]
) -> tuple[int, int]:
    """Take events in, in the order of their records; how many checkouts, how many were written."""
    ids = {event.checkout_id for _, event in events}
    known = _load(connection, ids)
    loaded = dict(known)
    changed: dict[str, int] = {}
    received = []
    for record, event in events:
        before = known.get(event.checkout_id)
        knowledge = advance(None if before is None else before.knowledge, event)
        if before is not None and knowledge == before.knowledge:
            effect, names = "nothing", []
        else:
            after = _Known(knowledge, *served_entity(event.checkout_id, knowledge))
            names = [] if before is None else _changes(before, after)
            effect = "first" if before is None else "changed" if names else "known"
            known[event.checkout_id] = after
            changed[event.checkout_id] = record.place.partition
        received.append(_received(record, event, effect, names))
    upsert(
        connection,
        CHECKOUTS,
        [_row(checkout_id, known[checkout_id]) for checkout_id in sorted(changed)],
    )
    insert_new(connection, RECEIVED_EVENTS, received)
    activity = Activity()
    for checkout_id, partition in changed.items():
        before, after = loaded.get(checkout_id), known[checkout_id]
        if before is not None:
            activity.count(contribution_of(before.knowledge), partition=partition, by=-1)
        activity.count(contribution_of(after.knowledge), partition=partition)
    apply_activity(connection, activity)
    return len(ids), len(changed)


def _load(connection: Connection, ids: Collection[str]) -> dict[str, _Known]:
    ordered = sorted(ids)
    found: dict[str, _Known] = {}
    for start in range(0, len(ordered), _KEYS_AT_ONCE):
        rows = connection.execute(
            select(
                CHECKOUTS.c.abandoned_checkout_id, CHECKOUTS.c.entity, CHECKOUTS.c.knowledge
            ).where(CHECKOUTS.c.abandoned_checkout_id.in_(ordered[start : start + _KEYS_AT_ONCE]))
        )
        for checkout_id, entity, knowledge in rows:
            known = knowledge_of_row(entity, knowledge)
            found[checkout_id] = _Known(known, entity, orjson.loads(entity))
    return found


def _row(checkout_id: str, known: _Known) -> dict[str, Any]:
    return row_of(checkout_id, known.knowledge, (known.text, known.entity))


def _changes(before: _Known, after: _Known) -> list[str]:
    names = changed_names(before.entity, after.entity)
    for what, was, became in (
        ("anonymized", before.knowledge.is_anonymized, after.knowledge.is_anonymized),
        ("deleted", before.knowledge.is_deleted, after.knowledge.is_deleted),
    ):
        if became and not was:
            names.append(what)
    if before.knowledge.site.instance_id != after.knowledge.site.instance_id:
        names.append("site")
    return names


def _received(
    record: Record, event: SourceEvent, effect: str, changed: list[str]
) -> dict[str, Any]:
    return {
        "partition": record.place.partition,
        "offset": record.offset,
        "abandoned_checkout_id": event.checkout_id,
        "event_id": storable(event.event_id),
        "kind": event.kind.value,
        "origin": event.origin.value,
        "is_anonymize_request": event.is_anonymize_request,
        "event_at": instant_key(event.event_at),
        "received_at": instant_key(event.received_at),
        "effect": effect,
        "changed": orjson.dumps(changed).decode(),
    }
