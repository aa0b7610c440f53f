"""The group's member as Faust sees it: assignments, deliveries and commits, in the event loop.

Invariants: what was fetched under an older assignment is dropped (``epoch``); before partitions go,
events in progress are finished and committed with the generation in which they were assigned.
"""

from __future__ import annotations

import asyncio
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
from faust.types.tuples import TP
from mode import Service

from streams.runtime.commit import Committer
from streams.runtime.delivery import Batch, BatchStream, TopicQueue
from streams.runtime.exits import ExitCode, die
from streams.runtime.fetching import ConsumerThread
from streams.runtime.kept import KeptStores
from streams.runtime.unused import UnusedInterface

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.runtime.restore import Restore
    from streams.runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)

_CLOSE_LIMIT_SECONDS: Final = 20
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
        #: Ends of the assigned partitions, as the consumer's thread saw them last.
        self.highs: dict[TP, int] = {}
        self.kept = KeptStores(self.settings.keep_revoked_seconds)
        self.ready = asyncio.Event()
        self._assigned: set[tuple[str, int]] = set()
        self._topics: list[str] = []
        self._thread: ConsumerThread | None = None
        self._is_leaving = False

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group; Faust calls this again at times, with the same topics."""
        wanted = sorted(topics)
        if self._thread is None:
            self._topics = wanted
            self._thread = ConsumerThread(self, wanted, asyncio.get_running_loop())
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
        if self._thread is not None:
            self._thread.taken(count)

    def after_batch(self) -> None:
        """A batch is done: see whether the transaction is large enough to commit."""
        if self.committer.events_since >= self.settings.commit_after_events:
            self.committer.is_due.set()
        self.app.producer.poll()

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
        position, high = self.expected.get(tp), self.highs.get(tp)
        return None if position is None or high is None else max(0, high - position)

    def assignment(self) -> set[TP]:
        """The source partitions that this process owns."""
        return {TP(*partition) for partition in self._assigned}

    def changelogs(self) -> list[str]:
        """The topics that the tables are restored from."""
        return [table.changelog for table in self.app.tables.values()]

    def leave(self) -> None:
        """Begin to: nothing more is delivered, events in progress finish; ``stop`` waits for it."""
        self._is_leaving = True
        self._drop()
        if self._thread is not None:
            self._thread.stop()

    async def on_stop(self) -> None:
        """Finish the events in progress, commit, and leave the group (static members stay)."""
        self.leave()
        if self._thread is not None:
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

    # Called by the consumer's thread, which waits for the rebalance callbacks to end

    async def on_assigned(self, partitions: set[tuple[str, int]], metadata: Any) -> None:  # noqa: ANN401  # librdkafka's opaque object
        """These partitions are ours; their state is not in place yet."""
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

    async def on_restored(self, restore: Restore) -> None:
        """Put the state in place; fetching begins when this has ended."""
        tables = {table.changelog: table for table in self.app.tables.values()}
        for (changelog, number), store in restore.stores.items():
            tables[changelog].stores[number] = store
        offsets = restore.offsets or {}
        self.expected = {TP(*p): max(0, offset) for p, offset in offsets.items()}
        self._begin_rebuild(restore)
        self.epoch += 1
        self.app._assignment = self.assignment()  # noqa: SLF001  # what Faust's own consumer sets
        self.app.rebalancing = False
        self.app.consumer_generation_id = self.generation
        await self.app.on_partitions_assigned.send(self.assignment())
        self.app.is_ready = self.app.has_worked = True
        self.ready.set()
        log.info(
            "restored",
            records=restore.records,
            kept=restore.continued,
            seconds=round(restore.seconds, 3),
            partitions=len(restore.sources),
        )

    async def on_revoked(self) -> None:
        """Finish, commit and give up all partitions."""
        started = time.monotonic()
        is_in_place = bool(self.expected)
        muted = {tp.partition for tp in self.committer.muted_until}
        await self._quiesce()
        if is_in_place:
            self._keep(muted)
        revoked = self.assignment()
        self.committer.group_metadata = None
        self._assigned = set()
        self.app.rebalancing = True
        self.app.is_ready = False
        for table in self.app.tables.values():
            table.stores = {}
        await self.app.on_partitions_revoked.send(revoked)
        log.info("revoked", partitions=len(revoked), seconds=round(time.monotonic() - started, 3))

    def deliver(self, topic: str, batch: Batch) -> None:
        """Queue what was fetched for the topic's stream."""
        if batch.epoch != self.epoch or self._is_leaving:
            self.taken(len(batch.messages))
            return
        queue = self.queues.get(topic)
        if queue is None:
            loop = asyncio.get_running_loop()
            loop.call_later(_NO_AGENT_SECONDS, self.deliver, topic, batch)
            return
        queue.batches.append(batch)
        queue.has_some.set()

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

    def _drop(self) -> None:
        """What was fetched and not delivered; it is fetched again by whoever owns it then."""
        self.epoch += 1
        for queue in self.queues.values():
            self.taken(sum(len(batch.messages) for batch in queue.batches))
            queue.batches.clear()

    async def _quiesce(self) -> None:
        """Drop what is not delivered, let events in progress finish, and commit; or exit."""
        self._drop()
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
        self.highs.clear()

    def _keep(self, muted: set[int]) -> None:
        """Everything is committed: the stores are what their changelogs say up to their ends."""
        extents = self.app.producer.extents
        for table in self.app.tables.values():
            for number, store in table.stores.items():
                if number not in muted:
                    self.kept.keep(
                        (table.changelog, number), store, extents.end(table.changelog, number)
                    )

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


def generation_of(metadata: Any) -> int:  # noqa: ANN401  # librdkafka's opaque object
    """The group's generation, for logs only: librdkafka writes it after its mark ``CGMDv2:``."""
    serialized = bytes(metadata)
    start = serialized.find(b":") + 1
    generation: int = struct.unpack_from("=i", serialized, start)[0]
    return generation
