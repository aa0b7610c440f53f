"""How far the model is, for every answer: the instant up to which it is complete.

Invariant: what is said was looked up before the rows that it is said of, so the rows are at least
as new.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from streams.adapters.database.columns import instant_of
from streams.adapters.database.tables import POSITIONS
from streams.adapters.topics import SOURCE

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_KEPT_SECONDS: Final = 0.25
_LOOK_SECONDS: Final = 0.02


class InvalidPositionError(ValueError):
    """Not a position that the ingress returned."""


class Freshness:
    """Looks at the positions in the database, which all processes that share it move."""

    def __init__(self, engine: AsyncEngine, *, source: str) -> None:
        """``source``: the source topic's name with the installation's prefix."""
        self._engine = engine
        self._source = source
        self._known: datetime | None = None
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    async def as_of(self) -> datetime | None:
        """Everything that Kafka had until then is in the model; None: it is not filled yet.

        Looked up at most four times a second, and once for all that ask meanwhile: a database
        that takes long to say that it is away, says so to all of them.
        """
        if time.monotonic() - self._looked_at > _KEPT_SECONDS:
            if self._looking is None:
                self._looking = asyncio.create_task(self._look())
            await asyncio.shield(self._looking)
        return self._known

    async def _look(self) -> None:
        now = time.monotonic()
        query = select(POSITIONS.c.as_of).where(POSITIONS.c.topic == SOURCE)
        try:
            async with self._engine.connect() as connection:
                instants = (await connection.scalars(query)).all()
        finally:
            self._looking = None
        self._known = instant_of(min(instants)) if instants else None
        self._looked_at = now

    async def age_seconds(self) -> float | None:
        """How old the model is."""
        as_of = await self.as_of()
        return None if as_of is None else max(0.0, (datetime.now(UTC) - as_of).total_seconds())

    async def has(self, position: str, *, within_seconds: float) -> bool:
        """Wait until the record at a position of the source topic is in the model.

        Raises:
            InvalidPositionError: it is no position of the source topic.
        """
        partition, offset = self._read(position)
        columns = POSITIONS.c
        query = select(columns.next_offset).where(
            columns.topic == SOURCE, columns.partition == partition
        )
        deadline = time.monotonic() + within_seconds
        while True:
            async with self._engine.connect() as connection:
                next_offset = await connection.scalar(query)
            if next_offset is not None and next_offset > offset:
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)

    def _read(self, position: str) -> tuple[int, int]:
        parts = position.rsplit("-", 2)
        if len(parts) != 3 or parts[0] != self._source:  # noqa: PLR2004  # topic, partition, offset
            raise InvalidPositionError
        _, partition, offset = parts
        if not (_is_number(partition, 10) and _is_number(offset, 19)):
            raise InvalidPositionError
        return int(partition), int(offset)


def _is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < digits
