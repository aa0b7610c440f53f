"""Fills the stores of newly assigned partitions from their changelogs, in bulk.

Invariants, each needed: the source offsets are read first and must be stable, for after that no
older owner can commit; then the changelog's end is read uncommitted, so that the restore waits for
an open transaction of an older owner; the end is reached by position, for control records and
aborted ones leave gaps behind the last record. It runs in the consumer's thread in short steps, so
that a rebalance interrupts it; what is loaded by then is a consistent prefix, and is kept.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.runtime.exits import ExitCode, die
from streams.runtime.extents import Note, Partition, lost_changelogs
from streams.runtime.faults import fault_point
from streams.runtime.fencing import end_transactions_of_the_gone
from streams.runtime.kept import KeptStores
from streams.runtime.positions import CommittedPositions, UnstableError, close_aside, list_offsets

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.runtime.settings import RuntimeSettings
    from streams.runtime.store import Store

log = structlog.get_logger(__name__)

_DEFINITE: Final = frozenset(
    {
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001  # librdkafka's public code
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
_STEP_SECONDS: Final = 0.05
_STEP_RECORDS: Final = 10_000
_TELL_EVERY_SECONDS: Final = 5
_BIG: Final = 20_000
#: A reader that gets neither a record nor an end for so long is replaced: where it waits for an
#: open transaction that changes nothing, and a reader of librdkafka was seen to stand still.
_STANDS_STILL_SECONDS: Final = 15
#: A living owner commits within a second; then we look whether it is gone.
_PATIENCE_SECONDS: Final = 3


class Restore:
    """One restore of the partitions of one assignment. Call ``step`` until it is True.

    Where ``kept`` still has a partition's store, only what came after it is read.
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        changelogs: Collection[str],
        sources: set[Partition],
        kept: KeptStores | None = None,
        *,
        transactional_id: str = "",
        stands_still_seconds: float = _STANDS_STILL_SECONDS,
    ) -> None:
        self.sources = sources
        self.offsets: dict[Partition, int] | None = None
        self.stores: dict[Partition, Store] = {}
        #: Sources whose state is being rebuilt, and the offset from which on events are new.
        self.muted_until: dict[Partition, int] = {}
        #: Keys in what is left of lost changelogs; they have to go before the rebuild begins.
        self.leftovers: dict[Partition, list[bytes]] = {}
        self.starts: dict[Partition, int] = {}
        self.ends: dict[Partition, int] = {}
        self.records = 0
        #: Stores that were still here, so that only what is new had to be read.
        self.continued = 0
        self.seconds = 0.0
        self._kept = kept or KeptStores(0)
        self._transactional_id = transactional_id
        self._committed = CommittedPositions(settings)
        self._helped = 0.0
        self._stands_still_seconds = stands_still_seconds
        #: Where to go on in each changelog.
        self._positions: dict[Partition, int] = {}
        self._moved = time.monotonic()
        self._settings = settings
        self._changelogs = sorted(changelogs)
        self._admin = AdminClient({**settings.client, "log_level": 3})
        self._reader: Consumer | None = None
        self._notes: dict[Partition, Note] = {}
        self._rebuilt: set[int] = set()
        self._left: set[Partition] = set()
        self._started = time.monotonic()
        self._told = self._started

    def give_up(self) -> None:
        """Stop; what is loaded so far is kept, for the next restore to go on with."""
        self._close()
        for partition, position in self._positions.items():
            if partition[1] not in self._rebuilt:
                self._kept.keep(partition, self.stores[partition], position)

    def _close(self) -> None:
        self._committed.close()
        if self._reader is not None:
            close_aside(self._reader)
            self._reader = None
            gc.enable()

    def step(self) -> bool:
        """Do a little; True when ``offsets`` and ``stores`` are complete."""
        if self.offsets is None:
            fault_point("restore_begins")
            self._read_offsets()
            return False
        if self._reader is None:
            return self._begin()
        fault_point("restore_reads")
        messages = self._reader.consume(_STEP_RECORDS, _STEP_SECONDS)
        if messages:
            self._moved = time.monotonic()
            self._load(messages)
        if self._left:
            self._tell()
            numbers = {number for _, number in self._left}
            self._help([source for source in self.sources if source[1] in numbers])
            if time.monotonic() - self._moved > self._stands_still_seconds:
                log.warning("restore_reader_replaced", partitions=len(self._left))
                self._close()
                self._read()
            return False
        self._close()
        self._finish()
        return True

    def _read_offsets(self) -> None:
        try:
            found = self._committed.stable(self.sources)
        except UnstableError as unstable:
            if time.monotonic() - self._told > _TELL_EVERY_SECONDS:
                self._told = time.monotonic()
                log.info("waiting_for_stable_offsets", reason=str(unstable))
            self._help(self.sources)
            time.sleep(2 * _STEP_SECONDS)
            return
        self.offsets = {source: offset for source, (offset, _) in found.items()}
        self._notes = {source: note for source, (_, note) in found.items()}
        self._moved = time.monotonic()

    def _help(self, waiting: Collection[Partition]) -> None:
        """What keeps these source partitions from being ours may be the transaction of the dead."""
        if time.monotonic() - max(self._moved, self._helped) < _PATIENCE_SECONDS:
            return
        owners = self._committed.last_owners(waiting) - {self._transactional_id}
        end_transactions_of_the_gone(self._settings, owners)
        self._helped = time.monotonic()

    def _begin(self) -> bool:
        numbers = sorted({number for _, number in self.sources})
        partitions = [(topic, number) for topic in self._changelogs for number in numbers]
        try:
            self.ends = list_offsets(self._admin, partitions, OffsetSpec.latest())
            self.starts = list_offsets(self._admin, partitions, OffsetSpec.earliest())
        except UnstableError as unstable:
            log.info("waiting_for_changelogs", reason=str(unstable))
            time.sleep(2 * _STEP_SECONDS)
            return False
        except KafkaException as error:
            die(ExitCode.RESTORE_FAILED, "a changelog can't be read", error=str(error))
        self._look_for_losses()
        for partition in partitions:
            kept = self._kept.take(partition)
            if kept is None or partition[1] in self._rebuilt:
                self.stores[partition], self._positions[partition] = {}, self.starts[partition]
            else:
                self.stores[partition], self._positions[partition] = kept.store, kept.position
                self.continued += 1
        self._left = {p for p in partitions if self.ends[p] > self._positions[p]}
        if not self._left:
            self._close()
            self._finish()
            return True
        self._read()
        return False

    def _read(self) -> None:
        """Open a reader where the last one was."""
        self._moved = time.monotonic()
        gc.disable()
        self._reader = Consumer(
            {
                **self._settings.client,
                "group.id": f"{self._settings.group}-restore",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": 65_536,
                "fetch.queue.backoff.ms": 5,
                "fetch.message.max.bytes": 4_194_304,
                "fetch.wait.max.ms": 20,
                "check.crcs": False,
                "log_level": 3,
            }
        )
        self._reader.assign([TopicPartition(*p, self._positions[p]) for p in sorted(self._left)])

    def _look_for_losses(self) -> None:
        """Refuse what is left of a lost changelog, or begin its partition anew from the sources."""
        offsets = self.offsets or {}
        lost = lost_changelogs(self._notes, self.starts, self.ends)
        if lost and not self._settings.rebuild_lost_state:
            die(
                ExitCode.CHANGELOG_LOST,
                "a changelog holds less than was committed with it: state would begin half empty",
                changelogs={f"{topic}-{number}": how for (topic, number), how in lost.items()},
                mend="start once with --rebuild-state-from-source: the state is made anew out of "
                "the source topics, and nothing is sent again",
            )
        self._rebuilt = {number for _, number in lost}
        for source, offset in offsets.items():
            until = self._notes[source].until  # of a rebuild that was interrupted
            if source[1] in self._rebuilt:
                until = max(until or 0, offset)
                offsets[source] = OFFSET_BEGINNING
            if until is not None and until > 0:
                self.muted_until[source] = until
        if self.muted_until:
            log.warning(
                "rebuilding_state",
                lost=[f"{topic}-{number}" for topic, number in sorted(lost)],
                until={f"{topic}-{n}": until for (topic, n), until in self.muted_until.items()},
            )

    def _load(self, messages: list[Message]) -> None:
        """Apply them in order. Positions follow run by run: this is the hot loop."""
        stores, positions = self.stores, self._positions
        last: Message | None = None
        where: Partition | None = None
        store: Store = {}
        for message in messages:
            error = message.error()
            if error is not None:
                self._on_error(message, error)
                continue
            at: Partition = (message.topic(), message.partition())
            if at != where:
                if last is not None and where is not None:
                    positions[where] = (last.offset() or 0) + 1
                where, store = at, stores[at]
            last = message
            key, value = message.key(), message.value()
            if key is None:
                continue
            if value is None:
                store.pop(key, None)
            else:
                store[key] = value
            self.records += 1
        if last is not None and where is not None:
            positions[where] = (last.offset() or 0) + 1

    def _on_error(self, message: Message, error: KafkaError) -> None:
        partition = (message.topic() or "", message.partition() or 0)
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's public code
            if (message.offset() or 0) >= self.ends[partition]:
                self._left.discard(partition)
                self._positions[partition] = message.offset() or 0
        elif error.fatal() or error.code() in _DEFINITE:
            die(
                ExitCode.RESTORE_FAILED,
                "a changelog can't be read",
                partition=str(partition),
                error=str(error),
            )
        else:
            log.warning("restore_retries", partition=str(partition), error=error.name())

    def _finish(self) -> None:
        for partition in self.stores:
            if partition[1] in self._rebuilt:
                self.leftovers[partition] = list(self.stores[partition])
                self.stores[partition] = {}
        self.seconds = time.monotonic() - self._started
        if self.records > _BIG:
            gc.collect()
            gc.freeze()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told > _TELL_EVERY_SECONDS:
            self._told = now
            log.info(
                "restoring",
                records=self.records,
                seconds=round(now - self._started, 1),
                partitions_left=len(self._left),
                hint="waits for an older owner's open transaction if nothing moves",
            )
