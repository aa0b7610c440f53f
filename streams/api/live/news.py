"""What has been announced since the last look, for all who listen.

Looked up in the tables, which all processes that share a database write: a process that consumes
some of the partitions tells its listeners of all. Where to go on is as for the rates: a partition's
position is moved in the transaction of its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from sqlalchemy import and_, false, or_, select

from streams.adapters.database.columns import NO_TEXT
from streams.adapters.database.tables import ANNOUNCEMENTS, CHECKOUTS, POSITIONS
from streams.adapters.topics import EVENTS
from streams.api.live.listeners import encode_event
from streams.api.overview.history import HAPPENING, happening

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

#: More in a moment nobody can read.
_MOST: Final = 20
#: While a database is filled there is news of last month; so far behind the end it is looked for.
_BEHIND: Final = 500
_EVENTS: Final = {"checkout.abandoned": "abandonment", "checkout.recovered": "recovery"}


class News(NamedTuple):
    """An event to send, and whose it is."""

    instance_id: str
    site_id: str | None
    event: bytes


class NewsReader:
    """Remembers how far it has looked."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._positions: dict[int, int] | None = None

    def forget(self) -> None:
        """Begin with what comes next: nobody has listened meanwhile."""
        self._positions = None

    async def read(self) -> list[News]:
        """The newest of what was announced since the last time, oldest first; at first nothing."""
        places, columns = POSITIONS.c, ANNOUNCEMENTS.c
        async with self._engine.connect() as connection:
            known = await connection.execute(
                select(places.partition, places.next_offset).where(places.topic == EVENTS)
            )
            positions = {row.partition: row.next_offset for row in known}
            before, self._positions = self._positions, positions
            if before is None:
                return []
            moved = [
                and_(
                    columns.partition == partition,
                    columns.offset >= max(before.get(partition, 0), position - _BEHIND),
                    columns.offset < position,
                )
                for partition, position in positions.items()
                if position > before.get(partition, 0)
            ]
            if not moved:
                return []
            rows = await connection.execute(
                select(columns.type, columns.occurred_at, *HAPPENING)
                .join(
                    CHECKOUTS,
                    CHECKOUTS.c.abandoned_checkout_id == columns.abandoned_checkout_id,
                )
                .where(
                    or_(false(), *moved),
                    columns.type.in_(sorted(_EVENTS)),
                    CHECKOUTS.c.is_deleted.is_(False),
                    CHECKOUTS.c.user_id_key == NO_TEXT,  # staff's own are not counted either
                )
                .order_by(columns.announced_at.desc())
                .limit(_MOST)
            )
            return [_news(row) for row in reversed(rows.mappings().all())]


def _news(row: Any) -> News:  # noqa: ANN401  # SQLAlchemy's row
    what = orjson.dumps(happening(row, at=row["occurred_at"]))
    return News(row["instance_id"], row["site_id"], encode_event(_EVENTS[row["type"]], what))
