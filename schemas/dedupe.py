"""Remembering what was done: an event of the same id is the same event, and may come again.

Kafka hands a record to a subscriber at least once: after a crash, a rebalance, or a reset of its
position. ``is_new`` in the same transaction as the effect makes of that exactly once.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Protocol

from .consumer import EVENTS_RETENTION

_CREATE = """
CREATE TABLE IF NOT EXISTS checkout_recovery_seen
(event_id VARCHAR(64) PRIMARY KEY, seen_at VARCHAR(24) NOT NULL)
"""
_INSERT = """
INSERT INTO checkout_recovery_seen (event_id, seen_at) VALUES (?, ?) ON CONFLICT DO NOTHING
"""
_DELETE = "DELETE FROM checkout_recovery_seen WHERE seen_at < ?"


class Deduplicator(Protocol):
    """Remembers event ids. What it must keep: each id for at least the topic's retention."""

    def is_new(self, event_id: str, *, now: datetime) -> bool:
        """Whether the id was never given before; from now on it was."""
        ...

    def forget(self, *, now: datetime) -> int:
        """Forget what is older than the memory; how many. Call it now and then."""
        ...


class InMemoryDeduplicator:
    """For tests, and for subscribers that read the whole topic anew at each start."""

    def __init__(self, memory: timedelta = EVENTS_RETENTION) -> None:
        self._memory = memory
        self._seen: OrderedDict[str, datetime] = OrderedDict()

    def is_new(self, event_id: str, *, now: datetime) -> bool:
        """See ``Deduplicator``."""
        if event_id in self._seen:
            return False
        self._seen[event_id] = now
        return True

    def forget(self, *, now: datetime) -> int:
        """See ``Deduplicator``."""
        old = [event_id for event_id, seen_at in self._seen.items() if seen_at < now - self._memory]
        for event_id in old:
            del self._seen[event_id]
        return len(old)


class SqlDeduplicator:
    """In a table of your own database, by a DB-API connection (SQLite, PostgreSQL: ``%s``).

    It never commits: do so after the effect of the event, in the same transaction. Then a crash
    undoes both or keeps both. Two instances with the same id at once: the second waits for the
    first's transaction, and is told that the id is not new.
    """

    def __init__(
        self,
        connection: Any,  # noqa: ANN401  # the DB-API has no types
        *,
        placeholder: str = "?",
        memory: timedelta = EVENTS_RETENTION,
    ) -> None:
        self._connection = connection
        self._memory = memory
        self._insert = _INSERT.replace("?", placeholder)
        self._delete = _DELETE.replace("?", placeholder)

    def create_table(self) -> None:
        """Create the table if there is none."""
        self._run(_CREATE)

    def is_new(self, event_id: str, *, now: datetime) -> bool:
        """See ``Deduplicator``."""
        return self._run(self._insert, event_id, _text(now)) == 1

    def forget(self, *, now: datetime) -> int:
        """See ``Deduplicator``."""
        return self._run(self._delete, _text(now - self._memory))

    def _run(self, statement: str, *values: str) -> int:
        cursor = self._connection.cursor()
        try:
            cursor.execute(statement, values)
            return int(cursor.rowcount)
        finally:
            cursor.close()


def _text(instant: datetime) -> str:
    """Sorts as the instants do, for all have the same zone and the same number of digits."""
    if instant.tzinfo is None:
        raise ValueError("an instant without a time zone is none")
    shift = instant.utcoffset() or timedelta()
    return (instant.replace(tzinfo=None) - shift).isoformat(timespec="milliseconds") + "Z"
