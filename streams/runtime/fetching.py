"""The consumer's thread: its librdkafka consumer is the group's member, restores, and fetches.

Invariants: a rebalance callback blocks the thread until the event loop has finished, committed and
given up, or until the new stores are in place, so fetching and rebalancing never overlap; nothing
is fetched before the state is restored; equal partition counts and the ``range`` assignor give one
member the same partitions of all topics, which is checked at each assignment.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import confluent_kafka
import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition

from streams.runtime.delivery import Batch, ReachedEnd
from streams.runtime.exits import ExitCode, die
from streams.runtime.faults import fault_point
from streams.runtime.restore import Restore

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from streams.runtime.membership import GroupConsumer

log = structlog.get_logger(__name__)

_PARTITION_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  # librdkafka's public code
_PASSING: Final = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001  # librdkafka's public code
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
    }
)
_POLL_SECONDS: Final = 0.1
_COALESCE_SECONDS: Final = 0.002
_FULL_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 0.5
_REVOKE_LIMIT_SECONDS: Final = 120
_INSTALL_LIMIT_SECONDS: Final = 60
_MAX_POLL_INTERVAL_MS: Final = 300_000


class ConsumerThread(threading.Thread):
    """Joins the group of ``owner`` and works for it until ``stop``."""

    def __init__(
        self, owner: GroupConsumer, topics: list[str], loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(daemon=True, name="kafka")
        self._owner = owner
        self._settings = owner.settings
        self._topics = topics
        self._agents_loop = loop
        self._restore: Restore | None = None
        self._is_stopping = False
        self._has_room = threading.Event()
        self._handed_over = 0
        #: Records that the streams took, or that were dropped; the event loop counts.
        self._taken = 0

    # In the event loop

    def stop(self) -> None:
        """Leave the group and end (a static member stays in it)."""
        self._is_stopping = True
        self._has_room.set()

    def taken(self, count: int) -> None:
        """So many of the records that were handed over are out of the way."""
        self._taken += count
        if not self._has_room.is_set() and self._waiting() < 2 * self._settings.batch:
            self._has_room.set()

    # In this thread

    def run(self) -> None:
        """Everything that goes wrong here ends the process."""
        try:
            self._run()
        except KafkaException as error:
            self._fail(error.args[0])
        except Exception as error:  # noqa: BLE001  # a thread's end must end the process
            die(ExitCode.FETCH_FAILED, "the consumer's thread failed", error=repr(error))

    def _run(self) -> None:
        consumer = confluent_kafka.Consumer(self._config())
        consumer.subscribe(
            self._topics,
            on_assign=self._assign,
            on_revoke=self._revoke,
            on_lost=self._lose,
        )
        look_at = 0.0
        while not self._is_stopping:
            if self._restore is not None:
                self._continue_restore(consumer, self._restore)
                continue
            if time.monotonic() > look_at:
                look_at = time.monotonic() + _LOOK_SECONDS
                self._look_at_ends(consumer)
                self._owner.kept.expire()
            epoch = self._owner.epoch  # before: a fetch may serve a rebalance and return older ones
            messages = self._fetch(consumer)
            if messages:
                self._hand_over(epoch, messages)
        consumer.close()  # runs the revoke callback; a static member does not leave

    def _config(self) -> dict[str, Any]:
        settings = self._settings
        config: dict[str, Any] = {
            **settings.client,
            "group.id": settings.group,
            "client.id": self._owner.app.producer.transactional_id,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "range",
            "session.timeout.ms": settings.session_timeout_ms,
            "heartbeat.interval.ms": min(3000, settings.session_timeout_ms // 4),
            "max.poll.interval.ms": max(_MAX_POLL_INTERVAL_MS, settings.session_timeout_ms),
            "enable.partition.eof": True,
            "check.crcs": False,
            "queued.max.messages.kbytes": 32_768,
            "fetch.queue.backoff.ms": 5,
            "fetch.message.max.bytes": 1_048_576,
            "fetch.wait.max.ms": 100,
            "log_level": 3,
        }
        if settings.slot is not None:
            config["group.instance.id"] = settings.slot
        return config

    def _fetch(self, consumer: confluent_kafka.Consumer) -> list[Message]:
        batch = self._settings.batch
        if self._waiting() > 4 * batch:
            self._has_room.clear()
            if self._waiting() <= 4 * batch or self._has_room.wait(_FULL_SECONDS):
                return []
            message = consumer.poll(0)  # a slow agent: serve rebalances, take one record at most
            return [] if message is None else [message]
        messages: list[Message] = consumer.consume(batch, 0)
        if messages:
            return messages
        message = consumer.poll(_POLL_SECONDS)
        if message is None:
            return []
        time.sleep(_COALESCE_SECONDS)
        return [message, *consumer.consume(batch - 1, 0)]

    def _hand_over(self, epoch: int, messages: list[Message]) -> None:
        topics: dict[str, Batch] = {}
        for message in messages:
            error = message.error()
            if error is not None and error.code() != _PARTITION_EOF:
                self._on_fetch_error(error)
                continue
            topic, number, offset = message.topic(), message.partition(), message.offset()
            batch = topics.get(topic)
            if batch is None:
                batch = topics[topic] = Batch(epoch, [], [])
            if error is None:
                batch.messages.append(message)
            else:
                batch.ends.append(ReachedEnd(number, offset))
        for topic, batch in topics.items():
            self._handed_over += len(batch.messages)
            self._agents_loop.call_soon_threadsafe(self._owner.deliver, topic, batch)

    def _look_at_ends(self, consumer: confluent_kafka.Consumer) -> None:
        """In this thread only: from another one, librdkafka's binding would wait for the fetch."""
        for tp in self._owner.assignment():
            _, high = consumer.get_watermark_offsets(
                TopicPartition(tp.topic, tp.partition), cached=True
            )
            if high >= 0:
                self._owner.highs[tp] = high

    def _on_fetch_error(self, error: KafkaError) -> None:
        if error.fatal() or not (error.retriable() or error.code() in _PASSING):
            self._fail(error)
        log.warning("fetch_retries", error=error.name(), detail=error.str())

    def _fail(self, error: KafkaError) -> None:
        is_twin = error.code() == KafkaError.FENCED_INSTANCE_ID or "instance" in error.str().lower()
        code = ExitCode.SLOT_CONFLICT if is_twin else ExitCode.FETCH_FAILED
        die(code, "the consumer failed for good", error=error.name(), detail=error.str())

    def _waiting(self) -> int:
        return self._handed_over - self._taken

    def _in_loop(self, coroutine: Coroutine[Any, Any, None], limit_seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._agents_loop).result(limit_seconds)

    # Rebalances, also in this thread

    def _assign(self, consumer: confluent_kafka.Consumer, partitions: list[TopicPartition]) -> None:
        metadata = consumer.consumer_group_metadata()  # of this generation, and of no other
        consumer.assign([])  # nothing is fetched before the state is restored
        assigned = {(item.topic, item.partition) for item in partitions}
        numbers: dict[str, set[int]] = {}
        for topic, number in assigned:
            numbers.setdefault(topic, set()).add(number)
        if assigned and (
            set(numbers) != set(self._topics) or len({frozenset(n) for n in numbers.values()}) > 1
        ):
            die(ExitCode.NOT_CO_ASSIGNED, "source topics were assigned apart", numbers=str(numbers))
        self._in_loop(self._owner.on_assigned(assigned, metadata), _INSTALL_LIMIT_SECONDS)
        self._give_up_restore()
        if assigned:
            self._restore = Restore(
                self._settings,
                self._owner.changelogs(),
                assigned,
                self._owner.kept,
                transactional_id=self._owner.app.producer.transactional_id,
            )

    def _continue_restore(self, consumer: confluent_kafka.Consumer, restore: Restore) -> None:
        if not restore.step():
            message = consumer.poll(0)  # serve a rebalance in between
            error = None if message is None else message.error()
            if error is not None:
                self._on_fetch_error(error)
            return
        self._restore = None
        fault_point("restore_ends")
        self._in_loop(self._owner.on_restored(restore), _INSTALL_LIMIT_SECONDS)
        consumer.assign(
            [
                TopicPartition(topic, number, offset if offset >= 0 else OFFSET_BEGINNING)
                for (topic, number), offset in (restore.offsets or {}).items()
            ]
        )

    def _revoke(
        self, consumer: confluent_kafka.Consumer, _partitions: list[TopicPartition]
    ) -> None:
        self._give_up_restore()
        self._in_loop(self._owner.on_revoked(), _REVOKE_LIMIT_SECONDS)
        consumer.unassign()

    def _lose(self, _consumer: object, partitions: list[TopicPartition]) -> None:
        self._owner.app.abandon(
            ExitCode.MEMBERSHIP_LOST, "the group took the partitions away", count=len(partitions)
        )

    def _give_up_restore(self) -> None:
        """What it has loaded is a consistent prefix of the changelogs: the next one goes on."""
        if self._restore is not None:
            self._restore.give_up()
            self._restore = None
