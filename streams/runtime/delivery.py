"""Hands fetched batches to an agent, event by event, without touching the event loop in between.

Invariants: an event's records and its position enter the transaction in the tick in which the
agent asks for the next event; offsets of a partition only rise; nothing that was fetched under an
older assignment is delivered (``epoch``); an agent that raises ends the process, so that half of an
event is never committed; however slow an agent is, the event loop gets its turn between two events.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from faust.streams import Stream, _current_event
from faust.types.tuples import TP

from streams.runtime.context import EventScope, current_scope
from streams.runtime.exits import ExitCode, die

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_IDLE_SECONDS = 1.0
#: Then commits, rebalances and SIGTERM get a turn. Without it a batch of a slow agent on a starved
#: machine took seconds, and a worker with a backlog was killed before it had come to leave.
_SLICE_SECONDS = 0.02
_BACKLOG_LIMIT = 20_000
_BACKLOG_SECONDS = 0.002


class ReachedEnd(NamedTuple):
    """A partition has been read up to ``offset``, control records included."""

    partition: int
    offset: int


class Batch(NamedTuple):
    """Records of one topic in the order of the fetch, and the ends that were reached after them."""

    epoch: int
    messages: list[Any]
    ends: list[ReachedEnd]


class RuntimeEvent:
    """A record as the agent sees it; headers and timestamp are read when they are asked for."""

    __slots__ = ("_raw", "key", "offset", "partition", "topic", "value")

    def __init__(self, raw: Any, topic: str, partition: int, offset: int) -> None:  # noqa: ANN401  # a librdkafka message
        self._raw = raw
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.key: bytes | None = raw.key()
        self.value: bytes | None = raw.value()

    @property
    def message(self) -> RuntimeEvent:
        """The record itself, where Faust's users look for it."""
        return self

    @property
    def timestamp_ms(self) -> int:
        """Kafka's timestamp in milliseconds since 1970."""
        milliseconds: int = self._raw.timestamp()[1]
        return milliseconds

    @property
    def headers(self) -> list[tuple[str, bytes | None]]:
        """Headers in their order; a name may occur twice."""
        found: list[tuple[str, bytes | None]] = self._raw.headers() or []
        return found


class TopicQueue:
    """Batches of one topic that its agent has not taken yet."""

    def __init__(self, stream: BatchStream) -> None:
        self.batches: deque[Batch] = deque()
        self.has_some = asyncio.Event()
        self.stream = stream


class BatchStream(Stream):  # type: ignore[misc]  # Faust is untyped here
    """Faust's stream, fed with batches. One agent a topic, concurrency 1, bytes."""

    scope: EventScope

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        """The events of the topic, one by one; see the module's docstring."""
        topics = getattr(self.channel, "topics", None)
        if not topics or len(topics) != 1 or self._processors or self.combined:
            die(ExitCode.STARTUP_CHECK_FAILED, "a stream must be of one topic", stream=str(self))
        self._finalized = True
        await self.maybe_start()
        consumer = self.app.consumer
        self.scope = scope = EventScope()
        queue: TopicQueue = consumer.queue_for(topics[0], self)
        current_scope.set(scope)
        _current_event.set(lambda: scope.event)
        try:
            while not self.should_stop:
                batch = await self._next_batch(queue)
                if batch is None or batch.epoch != consumer.epoch:
                    continue
                for event in self._deliver(batch, topics[0]):
                    if event is None:
                        await asyncio.sleep(0)
                    else:
                        yield event
                consumer.after_batch()
        finally:
            self._end()

    def __aiter__(self) -> AsyncIterator[bytes | None]:
        async def values() -> AsyncIterator[bytes | None]:
            async for event in self.events():
                yield event.value

        return values()

    async def _next_batch(self, queue: TopicQueue) -> Batch | None:
        if not queue.batches:
            queue.has_some.clear()
            try:
                await asyncio.wait_for(queue.has_some.wait(), _IDLE_SECONDS)
            except TimeoutError:
                return None
        await asyncio.sleep(0)  # once a batch, the loop may do something else
        while len(self.app.producer.backlog) > _BACKLOG_LIMIT:  # noqa: ASYNC110  # a slow broker
            await asyncio.sleep(_BACKLOG_SECONDS)
        if not queue.batches:
            return None
        batch = queue.batches.popleft()
        self.app.consumer.taken(len(batch.messages))
        return batch

    def _deliver(self, batch: Batch, topic: str) -> Iterator[RuntimeEvent | None]:
        """The events; None between two of them when it is the event loop's turn."""
        consumer, release, scope = self.app.consumer, self.app.producer.release, self.scope
        committer, expected, epoch = consumer.committer, consumer.expected, batch.epoch
        positions, muted_until = committer.positions, committer.muted_until
        partitions: dict[int, TP] = {}
        clock = time.monotonic
        until = clock() + _SLICE_SECONDS
        for raw in batch.messages:
            if clock() > until:
                yield None
                until = clock() + _SLICE_SECONDS
            if epoch != consumer.epoch:  # revoked while the agent awaited
                return
            number, offset = raw.partition(), raw.offset()
            tp = partitions.get(number)
            if tp is None:
                tp = partitions[number] = TP(topic, number)
            if offset < expected.get(tp, 0):
                die(
                    ExitCode.OFFSETS_OUT_OF_ORDER,
                    "a source offset came twice",
                    partition=str(tp),
                    offset=offset,
                    expected=expected[tp],
                )
            scope.event = event = RuntimeEvent(raw, topic, number, offset)
            scope.partition = number
            scope.is_muted = bool(muted_until) and offset < muted_until.get(tp, 0)
            yield event
            scope.event = None  # finished: its records and its position, in this very tick
            if scope.records:
                release(scope.records)
                scope.records.clear()
            expected[tp] = positions[tp] = offset + 1
            committer.events_since += 1
        if epoch == consumer.epoch:
            for number, offset in batch.ends:
                tp = TP(topic, number)
                if offset > expected.get(tp, -1):
                    expected[tp] = positions[tp] = offset

    def _end(self) -> None:
        scope = self.scope
        if scope.event is not None:
            scope.records.clear()
            scope.event = None
            if not self.app.should_stop:
                self.app.abandon(
                    ExitCode.AGENT_FAILED,
                    "an agent ended inside an event",
                    topic=str(self.channel),
                    partition=scope.partition,
                )
        self._channel_stop_iteration(self.channel)
