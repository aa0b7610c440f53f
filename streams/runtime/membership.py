"""Group membership and fetching: a librdkafka consumer in a thread of its own.

Invariants: a rebalance callback blocks the thread until the event loop has finished, committed and
given up, or until the new stores are in place, so fetching and rebalancing never overlap; nothing
is fetched before the state is restored; equal partition counts and the ``range`` assignor give one
member the same partitions of all topics, which is checked at each assignment.
"""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import confluent_kafka
import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message, TopicPartition
from faust.types.tuples import TP
from mode import Service

from streams.runtime.commit import Committer
from streams.runtime.delivery import Batch, BatchStream, ReachedEnd, TopicQueue
from streams.runtime.exits import ExitCode, die
from streams.runtime.faults import fault_point
from streams.runtime.restore import Restore
from streams.runtime.unused import UnusedInterface

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from streams.runtime.settings import RuntimeSettings

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
_CLOSE_LIMIT_SECONDS: Final = 20
_MAX_POLL_INTERVAL_MS: Final = 300_000
#: Batches wait for their agent to start iterating.
_NO_AGENT_SECONDS: Final = 0.01


class GroupConsumer(UnusedInterface):
    """Faust's consumer on a librdkafka consumer; Faust's fetcher, acks and recovery never run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Faust's signature
        super().__init__(*args, **kwargs)
        self.settings: RuntimeSettings = self.app.runtime
        self.committer = Committer(self.app)
        self.queues: dict[str, TopicQueue] = {}
        #: Rises at every change of assignment; what was fetched under an older one is dropped.
        self.epoch = 0
        self.generation = -1
        #: Per source partition, the least offset that may come next.
        self.expected: dict[TP, int] = {}
        self.ready = asyncio.Event()
        self.last_restore: tuple[int, float] = (0, 0.0)
        self._assigned: set[tuple[str, int]] = set()
        self._topics: list[str] = []
        #: Ends of the assigned partitions, as the consumer's thread saw them last.
        self._highs: dict[TP, int] = {}
        self._handed_over = 0
        self._taken = 0
        self._has_room = threading.Event()
        self._restore: Restore | None = None
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._main_loop: asyncio.AbstractEventLoop | None = None
        self._consumer: confluent_kafka.Consumer | None = None

    # In the event loop

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group; Faust calls this again at times, with the same topics."""
        wanted = sorted(topics)
        if self._thread is None:
            self._topics = wanted
            self._main_loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run_guarded, daemon=True, name="kafka")
            self._thread.start()
        elif wanted != self._topics:
            die(ExitCode.NOT_CO_ASSIGNED, "the subscription changed at run time")

    def queue_for(self, topic: str, stream: BatchStream) -> TopicQueue:
        """The queue that a stream reads; a topic has one stream."""
        queue = self.queues.get(topic)
        if queue is None:
            queue = self.queues[topic] = TopicQueue(stream)
        elif queue.stream is not stream and queue.stream.scope.event is not None:
            self.app.abandon(ExitCode.AGENT_FAILED, "an agent ended inside an event", topic=topic)
        queue.stream = stream
        return queue

    def taken(self, count: int) -> None:
        """A stream took so many records out of its queue."""
        self._taken += count
        if not self._has_room.is_set() and self._waiting() < 2 * self.settings.batch:
            self._has_room.set()

    def after_batch(self) -> None:
        """A batch is done: see whether the transaction is large enough to commit."""
        if self.committer.events_since >= self.settings.commit_after_events:
            self.committer.is_due.set()
        self.app.producer.librdkafka.poll(0)

    @Service.task  # type: ignore[untyped-decorator]  # mode is untyped here
    async def _commit_handler(self) -> None:
        await self.ready.wait()
        interval = self.settings.commit_interval_ms / 1000
        while not self.should_stop:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.committer.is_due.wait(), interval)
            await self.committer.commit()

    def lag(self, tp: TP) -> int | None:
        """Records of an assigned partition that are not finished yet; None: not known yet."""
        position, high = self.expected.get(tp), self._highs.get(tp)
        return None if position is None or high is None else max(0, high - position)

    def assignment(self) -> set[TP]:
        """The source partitions that this process owns."""
        return {TP(*partition) for partition in self._assigned}

    async def on_stop(self) -> None:
        """Finish the events in progress, commit, and leave the group (static members stay)."""
        if self._thread is not None:
            self._is_stopping = True
            self._has_room.set()
            await asyncio.get_running_loop().run_in_executor(
                None, self._thread.join, _CLOSE_LIMIT_SECONDS
            )
        statistics = self.committer.statistics
        log.info(
            "stopped",
            commits=statistics.count,
            mean_commit_ms=round(1000 * statistics.total_seconds / max(1, statistics.count), 1),
            longest_commit_ms=round(1000 * statistics.longest_seconds, 1),
        )

    async def _on_assigned(self, partitions: set[tuple[str, int]], metadata: Any) -> None:  # noqa: ANN401  # librdkafka's opaque object
        self.committer.group_metadata = metadata
        self.generation = generation_of(metadata)
        self._assigned = partitions
        self.epoch += 1
        self.app.rebalancing = True
        self.app.unassigned = not partitions
        log.info("assigned", generation=self.generation, partitions=sorted(partitions))
        if not partitions:
            self.app.rebalancing = False
            self.app.is_ready = True
            self.ready.set()

    async def _on_restored(self, restore: Restore) -> None:
        tables = {table.changelog: table for table in self.app.tables.values()}
        for (changelog, number), store in restore.stores.items():
            tables[changelog].stores[number] = store
        offsets = restore.offsets or {}
        self.expected = {TP(*p): max(0, offset) for p, offset in offsets.items()}
        self._begin_rebuild(restore)
        self.epoch += 1
        self.last_restore = (restore.records, restore.seconds)
        self.app._assignment = self.assignment()  # noqa: SLF001  # what Faust's own consumer sets
        self.app.rebalancing = False
        self.app.consumer_generation_id = self.generation
        await self.app.on_partitions_assigned.send(self.assignment())
        self.app.is_ready = True
        self.ready.set()
        log.info(
            "restored",
            records=restore.records,
            seconds=round(restore.seconds, 3),
            partitions=len(restore.sources),
        )

    def _begin_rebuild(self, restore: Restore) -> None:
        """Follow the changelogs; where one was lost, empty it and commit the way back, at once."""
        committer, producer = self.committer, self.app.producer
        producer.extents.restored(restore.starts, restore.ends)
        committer.muted_until.clear()
        committer.muted_until.update({TP(*p): n for p, n in restore.muted_until.items()})
        emptied = {number for _, number in restore.leftovers}
        for (changelog, number), keys in restore.leftovers.items():
            producer.release([(changelog, None, key, number) for key in keys])
        for tp in self.expected:
            if tp.partition in emptied:
                committer.positions[tp] = self.expected[tp]

    async def _on_revoked(self) -> None:
        started = time.monotonic()
        await self._quiesce()
        revoked = self.assignment()
        self.committer.group_metadata = None
        self._assigned = set()
        self.app.rebalancing = True
        self.app.is_ready = False
        for table in self.app.tables.values():
            table.stores.clear()
        await self.app.on_partitions_revoked.send(revoked)
        log.info("revoked", partitions=len(revoked), seconds=round(time.monotonic() - started, 3))

    async def _quiesce(self) -> None:
        """Drop what is not delivered, let events in progress finish, and commit; or exit."""
        self.epoch += 1
        for queue in self.queues.values():
            self._taken += sum(len(batch.messages) for batch in queue.batches)
            queue.batches.clear()
        deadline = time.monotonic() + self.settings.revoke_wait_seconds
        while any(queue.stream.scope.event is not None for queue in self.queues.values()):
            if time.monotonic() > deadline:
                self.app.abandon(
                    ExitCode.EVENT_TOO_SLOW, "an event was in progress when its partition went"
                )
            await asyncio.sleep(0.001)
        await self.committer.commit()
        self.committer.positions.clear()
        self.committer.muted_until.clear()
        self.expected.clear()
        self._highs.clear()

    def _deliver(self, topic: str, batch: Batch) -> None:
        if batch.epoch != self.epoch:
            self._taken += len(batch.messages)
            return
        queue = self.queues.get(topic)
        if queue is None:
            loop = asyncio.get_running_loop()
            loop.call_later(_NO_AGENT_SECONDS, self._deliver, topic, batch)
            return
        queue.batches.append(batch)
        queue.has_some.set()

    # What Faust asks a consumer

    async def commit(self, *_args: object, **_kwargs: object) -> bool:
        """Commit what is finished."""
        return await self.committer.commit()

    async def commit_and_end_transactions(self) -> None:
        """Commit what is finished."""
        await self.committer.commit()

    async def position(self, tp: TP) -> int | None:
        """The offset after the last finished event."""
        return self.expected.get(tp)

    def topic_partitions(self, _topic: str) -> int | None:
        """All source topics have the same count."""
        return self.settings.partitions

    # In the consumer's thread

    def _run_guarded(self) -> None:
        try:
            self._run()
        except KafkaException as error:
            self._fail(error.args[0])
        except Exception as error:  # noqa: BLE001  # a thread's end must end the process
            die(ExitCode.FETCH_FAILED, "the consumer's thread failed", error=repr(error))

    def _run(self) -> None:
        self._consumer = consumer = confluent_kafka.Consumer(self._config())
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
            epoch = self.epoch  # before: what a fetch returns may predate a rebalance inside it
            messages = self._fetch(consumer)
            if messages:
                self._hand_over(epoch, messages)
        consumer.close()  # runs the revoke callback; a static member does not leave

    def _config(self) -> dict[str, Any]:
        settings = self.settings
        config: dict[str, Any] = {
            **settings.client,
            "group.id": settings.group,
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
        batch = self.settings.batch
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
            if topic is None or number is None or offset is None:
                continue
            batch = topics.get(topic)
            if batch is None:
                batch = topics[topic] = Batch(epoch, [], [])
            if error is None:
                batch.messages.append(message)
            else:
                batch.ends.append(ReachedEnd(number, offset))
        for topic, batch in topics.items():
            self._handed_over += len(batch.messages)
            self._agents_loop.call_soon_threadsafe(self._deliver, topic, batch)

    def _look_at_ends(self, consumer: confluent_kafka.Consumer) -> None:
        """In this thread only: from another one, librdkafka's binding would wait for the fetch."""
        for tp in self.assignment():
            _, high = consumer.get_watermark_offsets(
                TopicPartition(tp.topic, tp.partition), cached=True
            )
            if high >= 0:
                self._highs[tp] = high

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

    @property
    def _agents_loop(self) -> asyncio.AbstractEventLoop:
        if self._main_loop is None:
            raise RuntimeError("the consumer has not subscribed")
        return self._main_loop

    def _in_loop(self, coroutine: Coroutine[Any, Any, None], limit_seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._agents_loop).result(limit_seconds)

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
        self._in_loop(self._on_assigned(assigned, metadata), _INSTALL_LIMIT_SECONDS)
        if self._restore is not None:
            self._restore.close()
        self._restore = (
            Restore(self.settings, [t.changelog for t in self.app.tables.values()], assigned)
            if assigned
            else None
        )

    def _continue_restore(self, consumer: confluent_kafka.Consumer, restore: Restore) -> None:
        if not restore.step():
            message = consumer.poll(0)  # serve a rebalance in between
            error = None if message is None else message.error()
            if error is not None:
                self._on_fetch_error(error)
            return
        if self._restore is not restore:
            return
        self._restore = None
        fault_point("restore_ends")
        self._in_loop(self._on_restored(restore), _INSTALL_LIMIT_SECONDS)
        consumer.assign(
            [
                TopicPartition(topic, number, offset if offset >= 0 else OFFSET_BEGINNING)
                for (topic, number), offset in (restore.offsets or {}).items()
            ]
        )

    def _revoke(
        self, consumer: confluent_kafka.Consumer, _partitions: list[TopicPartition]
    ) -> None:
        if self._restore is not None:
            self._restore.close()
            self._restore = None
        self._in_loop(self._on_revoked(), _REVOKE_LIMIT_SECONDS)
        consumer.unassign()

    def _lose(self, _consumer: object, partitions: list[TopicPartition]) -> None:
        self.app.abandon(
            ExitCode.MEMBERSHIP_LOST, "the group took the partitions away", count=len(partitions)
        )


def generation_of(metadata: Any) -> int:  # noqa: ANN401  # librdkafka's opaque object
    """The group's generation, for logs only: librdkafka writes it after its mark ``CGMDv2:``."""
    serialized = bytes(metadata)
    start = serialized.find(b":") + 1
    generation: int = struct.unpack_from("=i", serialized, start)[0]
    return generation
