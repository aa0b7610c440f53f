"""Stores of partitions that were revoked, so that the next restore reads only what is new.

Invariants: a store is what its changelog says up to its position, neither less nor more: it is kept
after the commit of everything in it, and a process in which that fails ends. It is forgotten long
before a changelog may drop tombstones (``delete.retention.ms``, a day), for a key that was deleted
meanwhile would come back to life.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from streams.runtime.extents import Partition
    from streams.runtime.store import Store


class Kept(NamedTuple):
    """A store, and the offset in its changelog from which on it knows nothing."""

    store: Store
    position: int
    expires_at: float


class KeptStores:
    """By changelog partition. Each is given out once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[Partition, Kept] = {}

    def keep(self, partition: Partition, store: Store, position: int) -> None:
        """Keep a store for a while; nothing may change it from now on."""
        if self._seconds > 0:
            self._kept[partition] = Kept(store, position, time.monotonic() + self._seconds)

    def take(self, partition: Partition) -> Kept | None:
        """The store of a partition, if it is still here."""
        self.expire()
        return self._kept.pop(partition, None)

    def expire(self) -> None:
        """Forget what is too old."""
        if self._kept:
            now = time.monotonic()
            self._kept = {at: kept for at, kept in self._kept.items() if kept.expires_at > now}
