"""Applies batches of records: rows and positions in one transaction.

Invariant: whatever kills the process, and whenever, the tables are those of the records before
their positions, each applied once.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError

from streams.adapters.database.columns import instant_key
from streams.adapters.database.failures import is_about_values
from streams.adapters.errors import InvalidMessage
from streams.adapters.source import read_source_event
from streams.adapters.topics import CONVERSION, EVENTS, SOURCE
from streams.api.model.activity import forget_activity
from streams.api.model.announcements import Announced, apply_announcements, read_announcement
from streams.api.model.checkouts import apply_events
from streams.api.model.positions import begin_positions, move_position, read_positions
from streams.api.model.rates import apply_rates, forget_rates, read_rates
from streams.api.model.records import UnreadableRecordError
from streams.api.model.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from streams.api.metrics import ApiMetrics
    from streams.api.model.records import Place, Record
    from streams.domain.events import SourceEvent

log = structlog.get_logger(__name__)

TOPICS: Final = (SOURCE, EVENTS, CONVERSION)


class Complete(NamedTuple):
    """A partition was read up to here, and this was its end at that instant."""

    next_offset: int
    as_of: datetime


class Model:
    """The writer of the tables. One thread uses it."""

    def __init__(self, engine: Engine, metrics: ApiMetrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._positions: dict[Place, int] = {}
        self._traffic = Traffic()

    @property
    def is_shared(self) -> bool:
        """Whether other processes may write the same tables."""
        return self._engine.dialect.name != "sqlite"

    def begin(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where to read these partitions from; those never read begin at 0."""
        with self._engine.begin() as connection:
            begin_positions(connection, places)
            known = read_positions(connection)
        self._positions = {place: known[place] for place in places}
        return dict(self._positions)

    def apply(
        self, records: Sequence[Record], *, complete: Mapping[Place, Complete] | None = None
    ) -> None:
        """Apply records, in order within each partition.

        ``complete``: partitions of which these records are the last, and since when nothing more
        is known to be there; all others are as fresh as their last record.

        Raises:
            PositionMovedError: another process applied some of them; nothing was written.
            SQLAlchemyError: the database refused or is away; nothing was written.
        """
        try:
            self._apply(records, complete or {})
        except SQLAlchemyError as error:
            if not (records and is_about_values(error)):
                raise
            if len(records) == 1:
                self._skip(records[0])
                return
            # one of them does not fit the database: find it, and let the others pass
            for record in records:
                self.apply([record])

    def forget_rates(self, *, before: datetime) -> None:
        """Drop the history of hours before an instant."""
        with self._engine.begin() as connection:
            forget_rates(connection, before=before)
            forget_activity(connection, before=before)

    def _apply(self, records: Sequence[Record], complete: Mapping[Place, Complete]) -> None:
        moves = {
            record.place: Complete(record.offset + 1, _instant(record)) for record in records
        } | dict(complete)
        parsed = _Parsed(records, self._on_unreadable)
        with self._engine.begin() as connection:
            # first, for this is what keeps all others from the same partitions
            for place, (next_offset, as_of) in sorted(moves.items()):
                move_position(
                    connection,
                    place,
                    expected=self._positions[place],
                    next_offset=next_offset,
                    as_of=instant_key(as_of),
                )
            parsed.write(connection)
            self._traffic.write(connection)
        self._traffic.written()
        parsed.count(self._traffic)
        self._positions.update({place: move.next_offset for place, move in moves.items()})
        for topic, count in Counter(record.place.topic for record in records).items():
            self._metrics.records.labels(topic).inc(count)

    def _skip(self, record: Record) -> None:
        with self._engine.begin() as connection:
            place = record.place
            next_offset = record.offset + 1
            move_position(
                connection,
                place,
                expected=self._positions[place],
                next_offset=next_offset,
                as_of=instant_key(_instant(record)),
            )
        self._positions[place] = next_offset
        self._metrics.unreadable.labels(place.topic, "refused_by_database").inc()
        log.error(
            "record_refused_by_database",
            topic=place.topic,
            partition=place.partition,
            offset=record.offset,
        )

    def _on_unreadable(self, record: Record, reason: str) -> None:
        self._metrics.unreadable.labels(record.place.topic, reason).inc()
        log.warning(
            "record_unreadable",
            topic=record.place.topic,
            partition=record.place.partition,
            offset=record.offset,
            reason=reason,
        )


class _Parsed:
    """A batch by what it says. What can't be read is left out: a worker has dead-lettered it."""

    def __init__(
        self, records: Sequence[Record], on_unreadable: Callable[[Record, str], None]
    ) -> None:
        self._events: list[tuple[Record, SourceEvent]] = []
        self._announced: list[Announced] = []
        self._rates: list[Any] = []
        for record in records:
            try:
                self._read(record)
            except InvalidMessage as invalid:
                on_unreadable(record, invalid.reason)
            except UnreadableRecordError:
                on_unreadable(record, "of_another_release")

    def _read(self, record: Record) -> None:
        if record.place.topic == SOURCE:
            event = read_source_event(
                key=record.key,
                value=record.value,
                headers=record.headers,
                timestamp_ms=record.timestamp_ms,
            )
            self._events.append((record, event))
        elif record.place.topic == EVENTS:
            self._announced.append(read_announcement(record))
        elif record.value is not None:  # None: a tombstone, the site is gone from the topic
            self._rates.append(read_rates(record))

    def write(self, connection: Connection) -> None:
        if self._events:
            apply_events(connection, self._events)
        if self._announced:
            apply_announcements(connection, [one.row for one in self._announced])
        if self._rates:
            apply_rates(connection, self._rates)

    def count(self, traffic: Traffic) -> None:
        """Count the batch once it is written."""
        traffic.received(record.timestamp_ms for record, _ in self._events)
        traffic.announced((one.at_ms, one.delay_ms) for one in self._announced)


def _instant(record: Record) -> datetime:
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
