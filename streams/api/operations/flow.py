"""How much came in and went out in the last minute, and how long it took."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import select

from streams.adapters.database.tables import TRAFFIC
from streams.api.model.traffic import SLOT_SECONDS, slot_of
from streams.domain.histogram import RELATIVE_ERROR, percentiles

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

_SLOTS: Final = 12
_SECONDS: Final = _SLOTS * SLOT_SECONDS


async def flow(engine: AsyncEngine, *, now: datetime) -> dict[str, Any]:
    """The first fields of the answer. The slot in progress, and the one before, are left out.

    What a process has taken in is written about once a second.
    """
    last = slot_of(now) - 1
    columns = TRAFFIC.c
    query = select(columns.received, columns.announced, columns.delays).where(
        columns.slot >= last - _SLOTS, columns.slot < last
    )
    received = announced = 0
    delays: Counter[int] = Counter()
    async with engine.connect() as connection:
        for more_received, more_announced, bins in await connection.execute(query):
            received += more_received
            announced += more_announced
            delays.update({int(bin_): count for bin_, count in orjson.loads(bins).items()})
    p50, p99 = percentiles(sorted(delays.items()), (50, 99))
    return {
        "events_in_per_second": round(received / _SECONDS, 2),
        "events_out_per_second": round(announced / _SECONDS, 2),
        "delay": {
            "p50_ms": p50,
            "p99_ms": p99,
            "count": delays.total(),
            "over_seconds": _SECONDS,
            "relative_error": RELATIVE_ERROR,
        },
    }
