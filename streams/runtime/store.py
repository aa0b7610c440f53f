"""Tables: bytes to bytes, one dictionary a partition, every change in the event's transaction.

Invariants: inside an event only the event's partition is seen; a table is changed inside an event
only; a partition's contents are replaced by a restore, never merged.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import faust
from faust.tables.manager import TableManager as FaustTableManager

from streams.runtime.context import current_scope, event_in_progress

Store = dict[bytes, bytes]


class RuntimeTable(faust.Table):  # type: ignore[misc]  # Faust is untyped here
    """A Faust table of bytes whose contents live in this process and in its changelog.

    Outside an event it is read-only and shows all assigned partitions.
    """

    stores: dict[int, Store]
    changelog: str

    def bind(self) -> None:
        """Prepare for the first assignment."""
        self.stores = {}
        self.changelog = self.changelog_topic.get_topic_name()

    def _in_partition(self) -> Store | None:
        scope = current_scope.get()
        if scope is None or scope.event is None:
            return None
        return self.stores[scope.partition]

    def get(self, key: bytes, default: Any = None) -> Any:  # noqa: ANN401  # as dict.get
        """The value of a key, or the default."""
        store = self._in_partition()
        if store is not None:
            return store.get(key, default)
        return next((s[key] for s in self.stores.values() if key in s), default)

    def __getitem__(self, key: bytes) -> bytes:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return bytes(value)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.get(key) is not None

    def __setitem__(self, key: bytes, value: bytes) -> None:
        scope = event_in_progress("a change of a table")
        if type(key) is not bytes or type(value) is not bytes:
            raise TypeError("the runtime's tables hold bytes; encode key and value before")
        scope.records.append((self.changelog, value, key, scope.partition))
        self.stores[scope.partition][key] = value

    def __delitem__(self, key: bytes) -> None:
        scope = event_in_progress("a change of a table")
        del self.stores[scope.partition][key]
        scope.records.append((self.changelog, None, key, scope.partition))

    def __iter__(self) -> Iterator[bytes]:
        store = self._in_partition()
        if store is not None:
            return iter(store)
        return (key for part in self.stores.values() for key in part)

    def __len__(self) -> int:
        store = self._in_partition()
        return len(store) if store is not None else sum(map(len, self.stores.values()))

    keys, values, items = MutableMapping.keys, MutableMapping.values, MutableMapping.items
    update, setdefault, clear = (
        MutableMapping.update,
        MutableMapping.setdefault,
        MutableMapping.clear,
    )

    def pop(self, key: bytes, *default: Any) -> Any:  # noqa: ANN401  # as dict.pop
        """Remove a key and give its value; a missing key is not written to the changelog."""
        value = self.get(key)
        if value is not None:
            del self[key]
            return value
        if default:
            return default[0]
        raise KeyError(key)


class RuntimeTableManager(FaustTableManager):  # type: ignore[misc]  # Faust is untyped here
    """Faust's recovery never runs: the consumer restores before it fetches."""

    async def on_start(self) -> None:
        """Tables are known; none has contents yet."""
        self._tables_finalized.set()
        for table in self.values():
            table.bind()
        self._tables_registered.set()

    async def on_stop(self) -> None:
        """Nothing is open."""

    def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """The consumer drops the stores."""

    async def on_rebalance(self, *_args: object) -> None:
        """The consumer restores."""

    async def wait_until_recovery_completed(self) -> bool:
        """Wait for the first restore; True if the application stopped before."""
        stopped: bool = await self.wait_for_stopped(self.app.consumer.ready)
        return stopped
