"""The figures of Wix's get-analytics, from our own copy.

Counted are the checkouts that were created on those days and are not deleted: *recovered* those
whose recovery is known, *recoverable* all others. Values are totals in the shop's newest currency;
what has another one, or no amount, counts in the numbers and in no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from streams.adapters.database.columns import amount_of, instant_key, text_key
from streams.adapters.database.tables import CHECKOUTS
from streams.api.lookup import visible
from streams.api.query.fields import STATUSES
from streams.api.query.violations import refuse

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncEngine

    from streams.api.callers import Caller

METRICS: Final = {
    "RECOVERABLE_VALUE": "recoverableValue",
    "RECOVERABLE_CHECKOUT_COUNT": "recoverableCheckoutCount",
    "AVERAGE_RECOVERABLE_CHECKOUT_VALUE": "averageRecoverableCheckoutValue",
    "RECOVERED_VALUE": "recoveredValue",
    "RECOVERED_CHECKOUT_COUNT": "recoveredCheckoutCount",
    "RECOVERY_RATE": "recoveryRate",
}
_CENTS: Final = Decimal("0.01")
_RATE_PLACES: Final = 6
_DATE_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class AnalyticsRequest:
    """Whole days, both inclusive; which metrics; of checkouts in which states."""

    first: date
    last: date
    metrics: frozenset[str]
    statuses: frozenset[str]


@dataclass(slots=True)
class _Sum:
    count: int = 0
    priced: int = 0
    value: Decimal = Decimal()


def read_analytics(body: object) -> AnalyticsRequest:
    """The body of get-analytics.

    Raises:
        InvalidRequestError: naming the field.
    """
    if not isinstance(body, Mapping):
        raise refuse("body", "must be a JSON object", "FORMAT")
    first, last = _date(body, "startDate"), _date(body, "endDate")
    if last < first:
        raise refuse("endDate", "must be on or after startDate", "MIN")
    return AnalyticsRequest(
        first,
        last,
        _names(body, "metrics", tuple(METRICS)),
        _names(body, "statuses", STATUSES),
    )


async def analyse(
    engine: AsyncEngine, caller: Caller, asked: AnalyticsRequest, zone: ZoneInfo
) -> dict[str, Any]:
    """The answer, with the metrics that were asked for."""
    async with engine.connect() as connection:
        sees = await visible(connection, caller)
        currency = await connection.scalar(_newest_currency(sees))
        rows = (await connection.execute(_grouped(sees, asked, zone))).all()
    sums = {status: _Sum() for status in STATUSES}
    for status_key, its_currency, amount_key, count in rows:
        status = STATUSES[status_key == text_key(STATUSES[1])]
        if status not in asked.statuses:
            continue
        found = sums[status]
        found.count += count
        amount = amount_of(amount_key)
        if amount is not None and its_currency == currency:
            found.priced += count
            found.value += amount * count
    return {"currency": currency or "", **_metrics(sums, asked.metrics)}


def _newest_currency(sees: ColumnElement[bool]) -> Select[tuple[str]]:
    columns = CHECKOUTS.c
    return (
        select(columns.currency)
        .where(sees, columns.currency.is_not(None))
        .order_by(columns.created_at.desc(), columns.abandoned_checkout_id.desc())
        .limit(1)
    )


def _grouped(sees: ColumnElement[bool], asked: AnalyticsRequest, zone: ZoneInfo) -> Select[Any]:
    columns = CHECKOUTS.c
    return (
        select(columns.status_key, columns.currency, columns.total_amount, func.count())
        .where(
            sees,
            columns.created_at >= _key(asked.first, zone),
            columns.created_at < _key(asked.last + timedelta(days=1), zone),
        )
        .group_by(columns.status_key, columns.currency, columns.total_amount)
    )


def _metrics(sums: Mapping[str, _Sum], wanted: frozenset[str]) -> dict[str, Any]:
    recoverable, recovered = (sums[status] for status in STATUSES)
    every = recoverable.count + recovered.count
    values = {
        "RECOVERABLE_VALUE": _money(recoverable.value),
        "RECOVERABLE_CHECKOUT_COUNT": recoverable.count,
        "AVERAGE_RECOVERABLE_CHECKOUT_VALUE": _money(recoverable.value / recoverable.priced)
        if recoverable.priced
        else None,
        "RECOVERED_VALUE": _money(recovered.value),
        "RECOVERED_CHECKOUT_COUNT": recovered.count,
        "RECOVERY_RATE": round(recovered.count / every, _RATE_PLACES) if every else None,
    }
    return {METRICS[name]: value for name, value in values.items() if name in wanted}


def _money(value: Decimal) -> str:
    return f"{value.quantize(_CENTS, ROUND_HALF_EVEN):f}"


def _key(day: date, zone: ZoneInfo) -> int:
    return instant_key(datetime.combine(day, time(), zone))


def _date(body: Mapping[str, object], name: str) -> date:
    value = body.get(name)
    if not isinstance(value, str):
        raise refuse(name, "must be a date, YYYY-MM-DD", "REQUIRED_FIELD")
    try:
        found = date.fromisoformat(value)
    except ValueError:
        found = None
    # the last day has no day after, and the first none before in some zones
    if found is None or len(value) != _DATE_LENGTH or not 1 < found.year < date.max.year:
        raise refuse(name, "must be a date, YYYY-MM-DD", "FORMAT")
    return found


def _names(body: Mapping[str, object], name: str, known: tuple[str, ...]) -> frozenset[str]:
    value = body.get(name)
    if value is None or value == []:
        return frozenset(known)
    if not isinstance(value, list):
        raise refuse(name, "must be a list", "FORMAT")
    if len(value) > len(known):
        raise refuse(name, f"has more than {len(known)} values", "MAX_SIZE")
    for index, one in enumerate(value):
        if one not in known:
            raise refuse(f"{name}[{index}]", f"must be one of {', '.join(known)}", "FORMAT")
    return frozenset(value)
