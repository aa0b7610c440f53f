"""Hours, days and weeks of a time zone, and the last row in each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from streams.adapters.database.columns import instant_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy import RowMapping


class Granularity(StrEnum):
    """Length of a period. A week begins on Monday (ISO 8601)."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


def last_of_each(
    rows: Sequence[RowMapping],
    granularity: Granularity,
    zone: ZoneInfo,
    *,
    start: datetime,
    stop: datetime,
) -> list[tuple[datetime, RowMapping]]:
    """Of rows in the order of their ``as_of``, the last of each period in [start, stop).

    A period is named by its first instant; one without rows is left out.
    """
    found: dict[datetime, tuple[datetime, RowMapping]] = {}
    for row in rows:
        as_of = instant_of(row["as_of"])
        if as_of is not None and start <= as_of < stop:
            begin = beginning(as_of, granularity, zone)
            found[begin.astimezone(UTC)] = (begin, row)
    return list(found.values())


def beginning(instant: datetime, granularity: Granularity, zone: ZoneInfo) -> datetime:
    """The first instant of the period that an instant is in, in the zone's time."""
    local = instant.astimezone(zone)
    if granularity is Granularity.HOUR:
        # by the clock's hours, of which a change of the clock makes one twice
        return local.replace(minute=0, second=0, microsecond=0)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if granularity is Granularity.WEEK:
        day = day - timedelta(days=day.weekday())
    return day
