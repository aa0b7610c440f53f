"""Lifecycle events become rows of what was announced and when; nothing personal is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import orjson

from streams.adapters.database.columns import instant_key, storable
from streams.adapters.database.tables import ANNOUNCEMENTS
from streams.api.model.records import UnreadableRecordError
from streams.api.model.upserts import upsert

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
    changed_fields: list[str] = []


_read: Final = msgspec.json.Decoder(_Announcement).decode


def announcement_row(record: Record) -> dict[str, Any]:
    """The row of one lifecycle event.

    Raises:
        UnreadableRecordError: it is none.
    """
    try:
        event = _read(record.value or b"")
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise UnreadableRecordError from None
    return {
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


def apply_announcements(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows; an event id that is there already is the same announcement."""
    upsert(connection, ANNOUNCEMENTS, list({row["event_id"]: row for row in rows}.values()))
