"""What this process has taken in, by five seconds of the log's time, for the view of operators.

Written beside what is written anyway, about once a second, as rows of this process's own, so that
all that share a database can add up the whole. It follows from nothing else and is soon forgotten.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import and_, delete, or_

from streams.adapters.database.tables import TRAFFIC
from streams.api.model.upserts import upsert
from streams.domain.histogram import bin_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

SLOT_SECONDS: Final = 5
_KEPT_SLOTS: Final = 20
_WRITE_SECONDS: Final = 1.0
#: A process that is gone leaves its last rows to the others.
_OTHERS_SLOTS: Final = 720
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SLOT: Final = timedelta(seconds=SLOT_SECONDS)


def slot_of(instant: datetime) -> int:
    """Slots since 1970."""
    return (instant - _EPOCH) // _SLOT


class Traffic:
    """Counts what was applied; one thread uses it."""

    def __init__(self) -> None:
        self._process = str(uuid.uuid4())
        self._received: Counter[int] = Counter()
        self._announced: Counter[int] = Counter()
        self._delays: dict[int, Counter[int]] = {}
        self._changed: set[int] = set()
        self._written_at = float("-inf")
        self._is_writing = False

    def received(self, at: Iterable[int]) -> None:
        """Count source records by their times in Kafka, in milliseconds since 1970."""
        oldest = self._oldest()
        for milliseconds in at:
            slot = milliseconds // (1000 * SLOT_SECONDS)
            if slot >= oldest:
                self._received[slot] += 1
                self._changed.add(slot)

    def announced(self, at: Iterable[tuple[int, int | None]]) -> None:
        """Count lifecycle events: time in Kafka, and milliseconds since the webhook, if any."""
        oldest = self._oldest()
        for milliseconds, delay in at:
            slot = milliseconds // (1000 * SLOT_SECONDS)
            if slot < oldest:
                continue
            self._announced[slot] += 1
            self._changed.add(slot)
            if delay is not None:
                self._delays.setdefault(slot, Counter())[bin_of(max(0, delay))] += 1

    def write(self, connection: Connection) -> None:
        """Write what has changed, and forget what is old; at most once a second."""
        is_due = time.monotonic() - self._written_at >= _WRITE_SECONDS
        self._is_writing = bool(self._changed) and is_due
        if not self._is_writing:
            return
        oldest = self._oldest()
        upsert(connection, TRAFFIC, [self._row(slot) for slot in sorted(self._changed)])
        columns = TRAFFIC.c
        connection.execute(
            delete(TRAFFIC).where(
                or_(
                    and_(columns.process == self._process, columns.slot < oldest),
                    columns.slot < oldest - _OTHERS_SLOTS,
                )
            )
        )

    def written(self) -> None:
        """What ``write`` wrote, if it did, is committed."""
        if not self._is_writing:
            return
        self._is_writing = False
        self._written_at = time.monotonic()
        self._changed.clear()
        oldest = self._oldest()
        for counts in (self._received, self._announced, self._delays):
            for slot in [slot for slot in counts if slot < oldest]:
                del counts[slot]

    def _row(self, slot: int) -> dict[str, Any]:
        delays = {str(bin_): count for bin_, count in self._delays.get(slot, {}).items()}
        return {
            "process": self._process,
            "slot": slot,
            "received": self._received[slot],
            "announced": self._announced[slot],
            "delays": orjson.dumps(delays).decode(),
        }

    @staticmethod
    def _oldest() -> int:
        return slot_of(datetime.now(UTC)) - _KEPT_SLOTS
