"""The commit: a consistent cut of positions and records becomes one Kafka transaction.

Invariants: flush, then offsets, then commit, in this order (a new owner reads the changelog's end
after it has seen stable offsets, so all records must be in the log before the offsets can be
pending). A transaction without offsets is never committed, for the broker would not fence it. The
group metadata is that of the generation in which the partitions were assigned.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from confluent_kafka import TopicPartition

from streams.runtime.exits import ExitCode, die
from streams.runtime.faults import fault_point

if TYPE_CHECKING:
    from faust.types.tuples import TP

    from streams.runtime.producer import TransactionalProducer

_BACKLOG_SECONDS = 0.002

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CommitStatistics:
    """Commits so far. Durations in seconds."""

    count: int = 0
    total_seconds: float = 0.0
    longest_seconds: float = 0.0
    events: int = 0

    def add(self, seconds: float) -> None:
        """Count one commit."""
        self.count += 1
        self.total_seconds += seconds
        self.longest_seconds = max(self.longest_seconds, seconds)


class Committer:
    """Commits what the streams have finished.

    ``positions`` maps a source partition to the offset after its last finished event; streams
    write it, each commit takes it. ``muted_until`` maps those whose state is being rebuilt to the
    offset from which on events are new.
    """

    def __init__(self, app: Any) -> None:  # noqa: ANN401  # a Faust app
        self._app = app
        self.group_metadata: Any = None
        self.positions: dict[TP, int] = {}
        self.committed: dict[TP, int] = {}
        self.muted_until: dict[TP, int] = {}
        self.events_since = 0
        self.is_due = asyncio.Event()
        self.statistics = CommitStatistics()
        self._lock = asyncio.Lock()

    async def commit(self) -> bool:
        """Commit what is finished; False if there was nothing."""
        async with self._lock:
            self.is_due.clear()
            if not self.positions:
                return False
            if self.group_metadata is None:
                die(ExitCode.NO_GENERATION, "there is work to commit, but no generation")
            producer: TransactionalProducer = self._app.producer
            while producer.backlog:  # noqa: ASYNC110  # drained by librdkafka's queue, not by an event
                # records of finished events that are not produced yet
                await asyncio.sleep(_BACKLOG_SECONDS)
            # No await between here and is_committing: this is the cut.
            self.statistics.events += self.events_since
            self.events_since = 0
            taken = dict(self.positions)
            offsets = self._offsets(taken, producer)
            self.positions.clear()
            producer.is_committing = True
            metadata = self.group_metadata
            started = time.monotonic()
            await producer.in_thread(lambda: self._transact(producer, offsets, metadata))
            producer.is_committing = False
            producer.drain()
            self.committed.update(taken)
            self._unmute(taken)
            self.statistics.add(time.monotonic() - started)
            return True

    def _offsets(
        self, positions: dict[TP, int], producer: TransactionalProducer
    ) -> list[TopicPartition]:
        """The positions, each with its note: the changelogs' ends at this very cut."""
        found = []
        for tp, offset in positions.items():
            until = self.muted_until.get(tp, 0)
            muted = until if offset < until else None
            note = producer.extents.note(tp.partition, muted, producer.transactional_id)
            found.append(TopicPartition(tp.topic, tp.partition, offset, note))
        return found

    def _unmute(self, committed: dict[TP, int]) -> None:
        for tp, offset in committed.items():
            if tp in self.muted_until and offset >= self.muted_until[tp]:
                del self.muted_until[tp]
                log.info("state_rebuilt", partition=str(tp))

    def _transact(
        self,
        producer: TransactionalProducer,
        offsets: list[TopicPartition],
        metadata: Any,  # noqa: ANN401  # librdkafka's opaque object
    ) -> None:
        settings, watchdog = producer.settings, self._app.watchdog
        librdkafka = producer.librdkafka
        fault_point("before_flush")
        with watchdog.limit("flush", settings.flush_limit_seconds):
            while producer.retry(lambda: librdkafka.flush(1.0), "flush"):
                pass
        fault_point("after_flush")
        with watchdog.limit("send_offsets_to_transaction", settings.commit_limit_seconds):
            producer.retry(
                lambda: librdkafka.send_offsets_to_transaction(
                    offsets, metadata, settings.commit_limit_seconds
                ),
                "send_offsets_to_transaction",
            )
        fault_point("before_commit")
        with watchdog.limit("commit_transaction", settings.commit_limit_seconds):
            producer.retry(
                lambda: librdkafka.commit_transaction(settings.commit_limit_seconds),
                "commit_transaction",
            )
        fault_point("after_commit")
        librdkafka.begin_transaction()
