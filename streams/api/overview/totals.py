"""The newest numbers of all sites in memory, for sums over many of them.

Only what has changed is read: a site's row has the offset of its record, and a partition's position
is moved in the transaction of its rows. Whatever process wrote them, and also while a rebuild is
under way, so all that share a database know the same.

Invariant: a row that was written after the last look has an offset at or behind the position that
was seen then, so it is found at the next look.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import and_, or_, select

from streams.adapters.database.tables import POSITIONS, SITES
from streams.adapters.topics import CONVERSION
from streams.api.overview.sums import Frame, SiteNumbers, Sums, frames_of, read_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from streams.api.callers import Caller

_KEPT_SECONDS: Final = 0.9
#: Reading a record takes 40 µs; between so many of them other requests get their turn.
_AT_ONCE: Final = 200
#: Versions whose changes are told; who listens looks at every one.
_REMEMBERED: Final = 10


class Total(NamedTuple):
    """What the sites of a caller add up to.

    ``as_of`` and ``frames`` are those of the newest record; a record is published when a number
    changes, so older ones hold as well.
    """

    as_of: datetime | None
    frames: tuple[Frame, ...]
    sums: Sums


class Totals:
    """Looks only when asked, and no more often than every ``kept_seconds``."""

    def __init__(self, engine: AsyncEngine, *, kept_seconds: float = _KEPT_SECONDS) -> None:
        self._engine = engine
        self._kept_seconds = kept_seconds
        self._sites: dict[str, SiteNumbers] = {}
        self._sums = Sums()
        self._positions: dict[int, int] = {}
        self._newest: SiteNumbers | None = None
        self._changes: deque[tuple[int, list[SiteNumbers]]] = deque(maxlen=_REMEMBERED)
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        #: Another one, if anything may differ.
        self.version = 0

    async def look(self) -> None:
        """Read what has changed since the last look."""
        async with self._looking:
            if time.monotonic() - self._looked_at < self._kept_seconds:
                return
            async with self._engine.connect() as connection:
                await self._follow(connection)
            self._looked_at = time.monotonic()

    def changed_since(self, version: int) -> list[SiteNumbers]:
        """The sites whose record is another one than in a version of not long ago."""
        return [one for at, changed in self._changes if at > version for one in changed]

    async def of(self, caller: Caller) -> Total:
        """The sums over what a caller may see."""
        await self.look()
        if caller.sites is None:
            return _total(self._newest, self._sums)
        seen = [one for one in self._sites.values() if caller.sees(one.instance_id, one.site_id)]
        sums = Sums()
        for numbers in seen:
            sums.add(numbers)
        return _total(max(seen, key=_as_of, default=None), sums)

    async def _follow(self, connection: AsyncConnection) -> None:
        known = await connection.execute(
            select(POSITIONS.c.partition, POSITIONS.c.next_offset).where(
                POSITIONS.c.topic == CONVERSION
            )
        )
        positions = {row.partition: row.next_offset for row in known}
        whole, newer = [], []
        for partition, position in positions.items():
            before = self._positions.get(partition, 0)
            rows = SITES.c.partition == partition
            if 0 < before < position:
                newer.append(and_(rows, SITES.c.offset >= before))
            elif before != position:
                # seen first, or it went back: while it is rebuilt any row may be written again
                whole.append(rows)
        for condition in [*whole, or_(*newer)] if newer else whole:  # all at once is much memory
            query = select(SITES.c.instance_id, SITES.c.record).where(condition)
            await self._take((await connection.execute(query)).all())
        self._positions = positions

    async def _take(self, rows: Sequence[Any]) -> None:
        changed = []
        for number, row in enumerate(rows):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            numbers, before = read_numbers(row.record), self._sites.get(row.instance_id)
            if numbers == before:
                continue
            if before is not None:
                self._sums.subtract(before)
            self._sums.add(numbers)
            self._sites[row.instance_id] = numbers
            changed.append(numbers)
            if self._newest is None or numbers.as_of >= self._newest.as_of:
                self._newest = numbers
        if changed:
            self.version += 1
            self._changes.append((self.version, changed))


def _total(newest: SiteNumbers | None, sums: Sums) -> Total:
    if newest is None:
        return Total(None, (), sums)
    return Total(newest.as_of, frames_of(newest), sums)


def _as_of(numbers: SiteNumbers) -> datetime:
    return numbers.as_of
