"""Lifecycle events become rows of what was announced and when; nothing personal is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import msgspec
import orjson

from streams.adapters.database.columns import instant_key, storable
from streams.adapters.database.tables import ANNOUNCEMENTS
from streams.api.model.records import UnreadableRecordError
from streams.api.model.upserts import upsert
from streams.domain.events import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from streams.api.model.records import Record


class _Announcement(msgspec.Struct, gc=False):
    """The part of a lifecycle event that the timeline shows; types of later releases as well."""

    event_id: str
    type: str
    revision: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
    source_event_id: str
    abandoned_checkout_id: str
    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    recorded_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    origin: str = ""
    changed_fields: list[str] = []


_read: Final = msgspec.json.Decoder(_Announcement).decode


class Announced(NamedTuple):
    """A lifecycle event as a row, and how long it took.

    ``delay_ms``: from the receipt of a webhook until Kafka had what it led to; None: of no webhook.
    """

    row: dict[str, Any]
    at_ms: int
    delay_ms: int | None


def read_announcement(record: Record) -> Announced:
    """One lifecycle event.

    Raises:
        UnreadableRecordError: it is none.
    """
    try:
        event = _read(record.value or b"")
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise UnreadableRecordError from None
    row = {
        "event_id": storable(event.event_id),
        "abandoned_checkout_id": storable(event.abandoned_checkout_id),
        "type": storable(event.type)[:32],
        "revision": event.revision,
        "source_event_id": storable(event.source_event_id),
        "occurred_at": instant_key(event.occurred_at),
        "announced_at": instant_key(datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)),
        "partition": record.place.partition,
        "offset": record.offset,
        "changed": orjson.dumps(event.changed_fields).decode(),
    }
    delay_ms = None
    if event.recorded_at is not None and event.origin == Origin.WEBHOOK.value:
        delay_ms = record.timestamp_ms - int(event.recorded_at.timestamp() * 1000)
    return Announced(row, record.timestamp_ms, delay_ms)


def apply_announcements(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows; an event id that is there already is the same announcement."""
    upsert(connection, ANNOUNCEMENTS, list({row["event_id"]: row for row in rows}.values()))
