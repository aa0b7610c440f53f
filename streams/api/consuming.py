"""Reads the topics into the model, in a thread of its own.

Where to read on is in the database and nowhere else: the consumer group only says which process
reads which partitions. Its name has the database's id, so processes that share a database share the
work, and each other database gets all of it. A file of SQLite's has one process, which reads all
partitions and needs no group: it goes on at once after a crash, where a group would wait for the
session of the dead member to end.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from sqlalchemy.exc import SQLAlchemyError

from streams.adapters.database.failures import is_passing
from streams.adapters.database.schema import plain
from streams.adapters.errors import ClusterError
from streams.adapters.kafka import client_config
from streams.adapters.topics import API_GROUP
from streams.api.ends import Ends
from streams.api.model import TOPICS, Complete, Place, PositionMovedError, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.api.metrics import ApiMetrics
    from streams.api.model import Model
    from streams.config import Settings

log = structlog.get_logger(__name__)

_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  # librdkafka's public code
_BATCH: Final = 1_000
_POLL_SECONDS: Final = 0.1
_FRESH_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 5.0
_FORGET_EVERY_SECONDS: Final = 3600.0


class TopicReplacedError(Exception):
    """A topic is shorter than the model: it was deleted and made again."""


class Consuming:
    """The thread. ``failure`` is why it ended, if not because it was told to."""

    def __init__(
        self, settings: Settings, model: Model, database_id: str, metrics: ApiMetrics
    ) -> None:
        self._settings = settings
        self._model = model
        self._metrics = metrics
        self._names = {settings.topic(name): name for name in TOPICS}
        self._group = settings.topic(API_GROUP + database_id)
        self._ends = Ends(settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="consuming", daemon=True)
        self._assigned: list[Place] = []
        #: Up to where each partition was read; behind the last record there may be markers.
        self._reached: dict[Place, int] = {}
        self._fresh: dict[Place, datetime] = {}
        self._on_end: Callable[[], None] = lambda: None
        #: Called in the thread after each batch that was written.
        self.on_written: Callable[[], None] = lambda: None
        self.failure: Exception | None = None

    def start(self, on_end: Callable[[], None]) -> None:
        """Begin; ``on_end`` is called in the thread if it ends by itself."""
        self._on_end = on_end
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End after the batch in progress."""
        self._stop.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        self._ends.start()
        consumer = Consumer(
            {
                **client_config(self._settings),
                "group.id": self._group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "session.timeout.ms": self._settings.session_timeout_ms,
                "queued.max.messages.kbytes": 32_768,
                "fetch.wait.max.ms": 100,
            }
        )
        try:
            if self._model.is_shared:
                consumer.subscribe(
                    list(self._names),
                    on_assign=self._on_assign,
                    on_revoke=self._on_revoke,
                    on_lost=self._on_revoke,
                )
            else:
                self._until_done(self._assign_all)
                self._resume(consumer)
            self._consume(consumer)
        except Exception as error:  # noqa: BLE001  # the top of a thread: the process ends with it
            self.failure = error
            log.error("consuming_failed", error=type(error).__name__, reason=_reason(error))  # noqa: TRY400  # a traceback could hold values
            self._on_end()
        finally:
            self._ends.stop()
            consumer.close()

    def _consume(self, consumer: Consumer) -> None:
        forget_at = time.monotonic()
        while not self._stop.is_set():
            records = self._next_records(consumer)
            complete = self._complete()
            if records or complete:
                self._write(consumer, records, complete)
            if time.monotonic() > forget_at:
                forget_at = time.monotonic() + _FORGET_EVERY_SECONDS
                self._until_done(self._forget)

    def _assign_all(self) -> None:
        self._assigned = self._ends.places()

    def _forget(self) -> None:
        self._model.forget_rates(before=datetime.now(UTC) - self._settings.rates_kept)

    def _next_records(self, consumer: Consumer) -> list[Record]:
        first = consumer.poll(_POLL_SECONDS)
        if first is None:
            return []
        records = []
        for message in (first, *consumer.consume(_BATCH - 1, 0)):
            place = Place(self._names[message.topic() or ""], message.partition() or 0)
            error = message.error()
            if error is None:
                record = record_of(place, message)
                records.append(record)
                self._reached[place] = record.offset + 1
            elif error.code() == _EOF:
                self._reached[place] = message.offset() or 0
            elif error.fatal():
                raise KafkaException(error)
            else:
                log.warning("kafka_error", error=error.name())
        return records

    def _complete(self) -> dict[Place, Complete]:
        """Partitions that were read to their ends, each once a second."""
        looked = self._ends.newest
        if looked is None:
            return {}
        lags = dict.fromkeys(self._names.values(), 0)
        complete = {}
        for place in self._assigned:
            reached = self._reached.get(place, 0)
            behind = looked.offsets.get(place, 0) - reached
            lags[place.topic] += max(0, behind)
            known = self._fresh.get(place)
            is_due = known is None or looked.asked_at - known >= timedelta(seconds=_FRESH_SECONDS)
            if behind <= 0 and is_due:
                complete[place] = Complete(reached, looked.asked_at)
        for topic, lag in lags.items():
            self._metrics.lag.labels(topic).set(lag)
        return complete

    def _write(
        self, consumer: Consumer, records: Sequence[Record], complete: dict[Place, Complete]
    ) -> None:
        begun = time.perf_counter()
        try:
            self._until_done(lambda: self._model.apply(records, complete=complete))
        except PositionMovedError as moved:
            log.warning("position_moved", topic=moved.place.topic, partition=moved.place.partition)
            self._resume(consumer)
            return
        self._fresh.update({place: found.as_of for place, found in complete.items()})
        if records:
            self._metrics.batch_seconds.observe(time.perf_counter() - begun)
            self.on_written()

    def _until_done(self, step: Callable[[], object]) -> None:
        """Do it again while the database or Kafka is away; what is refused otherwise is raised."""
        pause = 0.1
        while True:
            try:
                step()
            except SQLAlchemyError as error:
                if self._stop.is_set() or not is_passing(error):
                    raise
                log.warning("database_away", reason=plain(error))
            except ClusterError as error:
                if self._stop.is_set():
                    raise
                log.warning("kafka_away", reason=str(error))
            else:
                return
            self._stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned = [Place(self._names[item.topic], item.partition) for item in partitions]
        self._resume(consumer)
        log.info("partitions_assigned", count=len(partitions))

    def _on_revoke(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._assigned = []
        consumer.unassign()

    def _resume(self, consumer: Consumer) -> None:
        """Read on from where the database is; what was read ahead is dropped."""
        begun: dict[Place, int] = {}
        self._until_done(lambda: begun.update(self._model.begin(self._assigned)))
        self._until_done(lambda: self._check(begun))
        self._reached = dict(begun)
        self._fresh.clear()
        consumer.assign(
            [
                TopicPartition(self._settings.topic(place.topic), place.partition, offset)
                for place, offset in begun.items()
            ]
        )

    def _check(self, begun: dict[Place, int]) -> None:
        """Raise what can't be right, and tell what was lost."""
        beginnings, ends = self._ends.bounds(list(begun))
        for place, offset in begun.items():
            where = {"topic": place.topic, "partition": place.partition, "position": offset}
            if offset > ends[place]:
                raise TopicReplacedError(
                    f"{place.topic}, partition {place.partition}: the read model is at offset "
                    f"{offset}, the topic ends at {ends[place]}. It was deleted and made again: "
                    "run `checkout-recovery api --rebuild`"
                )
            if 0 < offset < beginnings[place]:
                log.error("records_lost", **where, beginning=beginnings[place])
                self._metrics.lost.labels(place.topic).inc(beginnings[place] - offset)


def record_of(place: Place, message: Message) -> Record:
    """A message of Kafka's as the model takes it."""
    headers: list[tuple[str, bytes | None]] = message.headers() or []
    return Record(
        place,
        message.offset() or 0,
        message.key(),
        message.value(),
        headers,
        message.timestamp()[1],
    )


def _reason(error: Exception) -> str:
    """Why, without the values that a database's message could quote."""
    if isinstance(error, SQLAlchemyError):
        return type(error).__name__
    return str(error)
