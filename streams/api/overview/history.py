"""Series and times to recovery, of counts by the hour; and the latest recoveries.

Invariant: every statement is bound to the caller's sites.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, or_, select, true

from streams.adapters.database.activity import EVERY_SITE, start_of
from streams.adapters.database.columns import (
    NO_INSTANT,
    NO_TEXT,
    amount_of,
    instant_key,
    instant_of,
)
from streams.adapters.database.tables import ACTIVITY, CHECKOUTS, RATES, RECOVERY_TIMES, SITES
from streams.adapters.instants import format_instant
from streams.domain.histogram import RELATIVE_ERROR, lowest_of, percentiles
from streams.domain.money import from_nanos, to_nanos
from streams.domain.rates import RecoveryTimes, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, RowMapping, Select, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from streams.api.callers import Caller
    from streams.api.overview.windows import Span

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_BEGINNING: Final = re.compile(r"[0-9a-z-]{0,64}")
#: A clock that goes wrong must not keep its recoveries on top.
_AHEAD: Final = timedelta(minutes=5)
_MINUTE: Final = 60
#: Bounds of the distribution that is shown, in seconds.
_BOUNDS: Final = (
    *(minutes * _MINUTE for minutes in (0, 5, 15, 30)),
    *(hours * 60 * _MINUTE for hours in (1, 2, 4, 8, 12, 24, 48, 72, 7 * 24, 14 * 24, 30 * 24)),
)


def counted(caller: Caller, site: str | None, table: Table) -> ColumnElement[bool]:
    """The rows of counts that are added up: of one site, or of all that the caller may see."""
    if site is None and caller.sites is None:
        return table.c.instance_id == EVERY_SITE
    return of_sites(caller, site, table)


def of_sites(caller: Caller, site: str | None, table: Table) -> ColumnElement[bool]:
    """The rows of one site, or of all that the caller may see, by the column that has an index."""
    if site is not None:
        return table.c.instance_id == site
    if caller.sites is None:
        return true()
    return table.c.instance_id.in_(select(SITES.c.instance_id).where(caller.condition(SITES)))


async def series(
    connection: AsyncConnection, caller: Caller, site: str | None, span: Span, stop: datetime
) -> list[dict[str, Any]]:
    """Points of the hours before ``stop``, the end of the newest window."""
    first, last = _hours(span.length, stop)
    step = span.bucket // _HOUR
    columns = ACTIVITY.c
    rows = await connection.execute(
        select(
            columns.hour,
            func.sum(columns.abandoned),
            func.sum(columns.recovered),
            func.sum(columns.recoveries),
        )
        .where(counted(caller, site, ACTIVITY), columns.hour >= first, columns.hour < last)
        .group_by(columns.hour)
    )
    # the last bucket ends with the window; the first may begin before it
    starts = range(last - step * -(-(last - first) // step), last, step)
    found = {start: [0, 0, 0] for start in starts}
    for hour, *counts in rows:
        start = hour - (hour - starts[0]) % step
        found[start] = [
            known + int(count) for known, count in zip(found[start], counts, strict=True)
        ]
    return [_point(start, *counts) for start, counts in found.items()]


async def times(
    connection: AsyncConnection, caller: Caller, site: str | None, length: timedelta, stop: datetime
) -> Counter[int]:
    """Recoveries of the hours before ``stop`` by the bin of their time."""
    first, last = _hours(length, stop)
    columns = RECOVERY_TIMES.c
    rows = await connection.execute(
        select(columns.bin, func.sum(columns.count))
        .where(counted(caller, site, RECOVERY_TIMES), columns.hour >= first, columns.hour < last)
        .group_by(columns.bin)
    )
    return Counter({bin_: int(count) for bin_, count in rows})


def recovery_times(bins: Mapping[int, int]) -> RecoveryTimes:
    """As a record has them."""
    return RecoveryTimes(sum(bins.values()), *percentiles(sorted(bins.items()), (50, 90, 99)))


def distribution(bins: Mapping[int, int]) -> dict[str, Any]:
    """The answer's numbers: percentiles, and counts between bounds that people think in."""
    known = recovery_times(bins)
    counts = [0] * len(_BOUNDS)
    for bin_, count in bins.items():
        seconds = lowest_of(bin_)
        counts[max(n for n, bound in enumerate(_BOUNDS) if bound <= seconds)] += count
    return {
        "count": known.count,
        "p50_seconds": known.p50,
        "p90_seconds": known.p90,
        "p99_seconds": known.p99,
        "relative_error": RELATIVE_ERROR,
        "buckets": [
            {"from_seconds": bound, "to_seconds": following, "count": count}
            for bound, following, count in zip(_BOUNDS, (*_BOUNDS[1:], None), counts, strict=True)
        ],
    }


async def recent(
    connection: AsyncConnection, caller: Caller, site: str | None, limit: int
) -> list[dict[str, Any]]:
    """The latest recoveries, newest first."""
    rows = await connection.execute(recent_query(caller, site, limit, now=datetime.now(UTC)))
    return [happening(row, at=row["recovered_at"]) for row in rows.mappings()]


def recent_query(caller: Caller, site: str | None, limit: int, *, now: datetime) -> Select[Any]:
    """Their rows, as ``happening`` reads them; none that is dated ahead of now."""
    columns = CHECKOUTS.c
    return (
        select(*HAPPENING)
        .where(
            of_sites(caller, site, CHECKOUTS),
            columns.recovered_at > NO_INSTANT,
            columns.recovered_at <= instant_key(now + _AHEAD),
            columns.is_deleted.is_(False),
            columns.user_id_key == NO_TEXT,  # staff's own are not counted either
        )
        .order_by(columns.recovered_at.desc())
        .limit(limit)
    )


HAPPENING: Final = (
    CHECKOUTS.c.abandoned_checkout_id,
    CHECKOUTS.c.instance_id,
    CHECKOUTS.c.site_id,
    CHECKOUTS.c.currency,
    CHECKOUTS.c.total_amount,
    CHECKOUTS.c.created_at,
    CHECKOUTS.c.recovered_at,
)


def happening(row: RowMapping, *, at: int) -> dict[str, Any]:
    """What a page shows of a checkout to which something happened ``at`` an instant."""
    amount, currency = amount_of(row["total_amount"]), row["currency"]
    return {
        "at": format_instant(instant_of(at) or _EPOCH),
        "abandoned_checkout_id": row["abandoned_checkout_id"],
        "instance_id": row["instance_id"],
        "total": None
        if amount is None or currency is None
        else {"amount": from_nanos(to_nanos(amount)), "currency": currency},
        "time_to_recovery_seconds": _seconds(row["created_at"], row["recovered_at"]),
    }


async def search(
    connection: AsyncConnection, caller: Caller, beginning: str, window: str, limit: int
) -> list[dict[str, Any]]:
    """Sites whose instance id or site id begins so, those with most checkouts first."""
    columns = RATES.c
    if not _BEGINNING.fullmatch(beginning.lower()):
        return []
    first = beginning.lower()
    matches = (
        true()
        if not first
        else or_(
            *(
                # "~" comes after every letter, digit and hyphen
                and_(name >= first, name < first + "~")
                for name in (columns.instance_id, columns.site_id)
            )
        )
    )
    rows = await connection.execute(
        select(
            columns.instance_id,
            columns.site_id,
            columns.cohort_abandoned,
            columns.cohort_recovered,
        )
        .where(columns.window == window, matches, caller.condition(RATES))
        .order_by(columns.cohort_abandoned.desc(), columns.instance_id)
        .limit(limit)
    )
    return [
        {
            "instance_id": instance_id,
            "site_id": site_id,
            "abandoned": abandoned,
            "recovered": recovered,
        }
        for instance_id, site_id, abandoned, recovered in rows
    ]


def _seconds(abandoned_at: int, recovered_at: int) -> int | None:
    if NO_INSTANT in {abandoned_at, recovered_at}:
        return None
    return max(0, (recovered_at - abandoned_at) // 1_000_000)


def _hours(length: timedelta, stop: datetime) -> tuple[int, int]:
    last = -((_EPOCH - stop) // _HOUR)
    return last - -(-length // _HOUR), last


def _point(start: int, abandoned: int, recovered: int, recoveries: int) -> dict[str, Any]:
    rate = ratio(recovered, abandoned)
    return {
        "start": format_instant(start_of(start)),
        "abandoned": abandoned,
        "recovered": recovered,
        "recoveries": recoveries,
        "rate": None if rate is None else f"{rate:f}",
    }
