"""The rates: of one site now, of one site over time, of all sites that the caller may see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from fastapi import APIRouter, Header, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from starlette.responses import Response

from schemas.conversion import ConversionV1
from streams.adapters.conversion import format_duration
from streams.adapters.database.activity import hour_of
from streams.adapters.database.tables import RATES, RATES_HISTORY
from streams.adapters.instants import read_instant
from streams.api import wire
from streams.api.dependencies import Parts, Reader
from streams.api.numbers import Numbers, as_csv, numbers_of
from streams.api.periods import Granularity, last_of_each
from streams.api.query.violations import refuse
from streams.api.services import Services
from streams.api.sites import find_site

router: Final = APIRouter(tags=["Rates"])

_CSV: Final = "text/csv"
_LARGEST_PAGE: Final = 500
_LONGEST_SPAN: Final = timedelta(days=3660)
_DEFAULT_SPAN: Final = {
    Granularity.HOUR: timedelta(days=7),
    Granularity.DAY: timedelta(days=90),
    Granularity.WEEK: timedelta(days=366),
}


class Format(StrEnum):
    """How the answer is written; CSV also if the request accepts ``text/csv``."""

    JSON = "json"
    CSV = "csv"


class Order(StrEnum):
    """What sites are sorted by; a minus before it reverses the order. None sorts first."""

    SITE = "site"
    AS_OF = "as_of"
    ABANDONED = "abandoned"
    RECOVERED = "recovered"
    FLOW = "flow"
    COHORT = "cohort"
    MATURED = "matured"
    SITE_DOWN = "-site"
    AS_OF_DOWN = "-as_of"
    ABANDONED_DOWN = "-abandoned"
    RECOVERED_DOWN = "-recovered"
    FLOW_DOWN = "-flow"
    COHORT_DOWN = "-cohort"
    MATURED_DOWN = "-matured"


_COLUMNS: Final = {
    "site": RATES.c.instance_id,
    "as_of": RATES.c.as_of,
    "abandoned": RATES.c.cohort_abandoned,
    "recovered": RATES.c.cohort_recovered,
    "flow": RATES.c.flow_ratio,
    "cohort": RATES.c.cohort_rate,
    "matured": RATES.c.matured_rate,
}


class Point(Numbers):
    """The last numbers of a period."""

    start: str = Field(description="First instant of the period, in the asked time zone.")


class History(BaseModel):
    """A site's numbers over time."""

    instance_id: str = Field(description="The site.")
    site_id: str | None = Field(description="Wix's own id of the site.")
    window: str = Field(description="Length of the rolling window.")
    granularity: Granularity = Field(description="Length of a period.")
    tz: str = Field(description="Time zone of the periods.")
    kept_days: int = Field(description="So long the history is kept, from when it was published.")
    points: list[Point] = Field(description="Oldest first; none for a period without a record.")


class SiteNumbers(Numbers):
    """The newest numbers of a site."""

    instance_id: str = Field(description="The site.")
    site_id: str | None = Field(description="Wix's own id of the site.")


class Paging(BaseModel):
    """Where in the list."""

    limit: int = Field(description="Most sites of a page.")
    offset: int = Field(description="Sites before this page.")
    count: int = Field(description="Sites of this page.")
    total: int = Field(description="Sites of all pages.")


class Sites(BaseModel):
    """The sites that the caller may see."""

    window: str = Field(description="Length of the rolling window.")
    sites: list[SiteNumbers] = Field(description="In the asked order.")
    paging: Paging = Field(description="Where in the list.")


Site = Annotated[str, Path(description="Instance id, or Wix's site id.", max_length=64)]
Window = Annotated[str, Query(description="As configured: 1h, 24h, 7d, 30d.", max_length=8)]
AsFormat = Annotated[Format | None, Query(alias="format", description="JSON unless asked.")]
Accept = Annotated[str, Header(include_in_schema=False)]
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {_CSV: {"schema": {"type": "string"}}}},
    **wire.errors(404),
}


@router.get("/v1/sites/{site}/conversion", response_model=ConversionV1, responses=_ANSWERS)
async def newest_rates(
    site: Site,
    caller: Reader,
    services: Parts,
    window: Annotated[str | None, Query(description="This one only.", max_length=8)] = None,
    form: AsFormat = None,
    accept: Accept = "",
) -> Response:
    """A site's newest rates over all windows, as they were published."""
    found = await find_site(services.engine, caller, site)
    record = orjson.loads(found["record"])
    if window is not None:
        record["windows"] = [item for item in record["windows"] if item["window"] == window]
        if not record["windows"]:
            raise _unknown_window(services)
    if not _is_csv(form, accept):
        return Response(orjson.dumps(record), media_type="application/json")
    head = {name: record[name] for name in ("instance_id", "site_id", "as_of")}
    kept = ("window", "from", "to", "flow", "cohort", "matured", "time_to_recovery")
    rows = [{**head, **{name: item[name] for name in kept}} for item in record["windows"]]
    return _csv(rows, "conversion")


@router.get("/v1/sites/{site}/conversion/history", response_model=History, responses=_ANSWERS)
async def rates_over_time(
    site: Site,
    caller: Reader,
    services: Parts,
    granularity: Annotated[Granularity, Query(description="Periods.")] = Granularity.DAY,
    tz: Annotated[
        str, Query(description="Time zone of the periods, as in Europe/Berlin.", max_length=64)
    ] = "UTC",
    window: Window = "24h",
    since: Annotated[
        str | None, Query(alias="from", description="Instant, RFC 3339.", max_length=40)
    ] = None,
    until: Annotated[
        str | None, Query(alias="to", description="Instant, RFC 3339, excluded.", max_length=40)
    ] = None,
    form: AsFormat = None,
    accept: Accept = "",
) -> Response:
    """A site's numbers over time: of each period the last that were published.

    Kept from when they were first seen, for `kept_days`: they can't be made again from the topic,
    which has the newest of each site only. The last of an hour are kept, so in time zones that
    differ from UTC by no whole hours a day ends with the last whole hour.
    """
    zone = _zone(tz)
    _check_window(services, window)
    stop = _instant("to", until) or datetime.now(UTC)
    start = _instant("from", since) or stop - _DEFAULT_SPAN[granularity]
    if not timedelta(0) < stop - start <= _LONGEST_SPAN:
        raise refuse("from", "must be before 'to', by ten years at most")
    found = await find_site(services.engine, caller, site)
    columns = RATES_HISTORY.c
    query = (
        select(RATES_HISTORY)
        .where(
            columns.instance_id == found["instance_id"],
            columns.window == window,
            columns.hour >= hour_of(start),
            columns.hour <= hour_of(stop),
        )
        .order_by(columns.hour)
    )
    async with services.engine.connect() as connection:
        rows = (await connection.execute(query)).mappings().all()
    points = [
        {"start": begin.isoformat(), **numbers_of(row)}
        for begin, row in last_of_each(rows, granularity, zone, start=start, stop=stop)
    ]
    head = {
        "instance_id": found["instance_id"],
        "site_id": found["site_id"],
        "window": window,
    }
    if _is_csv(form, accept):
        return _csv([{**head, **point} for point in points], "conversion-history")
    kept = services.settings.rates_kept.days
    answer = {**head, "granularity": granularity, "tz": tz, "kept_days": kept, "points": points}
    return Response(orjson.dumps(answer), media_type="application/json")


@router.get("/v1/conversion", response_model=Sites, responses=_ANSWERS)
async def all_sites(
    caller: Reader,
    services: Parts,
    window: Window = "7d",
    sort: Annotated[Order, Query(description="By what, '-' before it: downwards.")] = Order.SITE,
    limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    form: AsFormat = None,
    accept: Accept = "",
) -> Response:
    """The newest numbers of all sites that the token may see."""
    _check_window(services, window)
    visible = (RATES.c.window == window, caller.condition(RATES))
    by = _COLUMNS[sort.value.removeprefix("-")]
    is_down = sort.value.startswith("-")
    query = (
        select(RATES)
        .where(*visible)
        .order_by(by.desc() if is_down else by, RATES.c.instance_id)
        .limit(limit)
        .offset(offset)
    )
    async with services.engine.connect() as connection:
        total = await connection.scalar(select(func.count()).select_from(RATES).where(*visible))
        rows = (await connection.execute(query)).mappings().all()
    sites = [
        {"instance_id": row["instance_id"], "site_id": row["site_id"], **numbers_of(row)}
        for row in rows
    ]
    if _is_csv(form, accept):
        return _csv([{"window": window, **site} for site in sites], "conversion")
    paging = {"limit": limit, "offset": offset, "count": len(sites), "total": total}
    answer = {"window": window, "sites": sites, "paging": paging}
    return Response(orjson.dumps(answer), media_type="application/json")


def _check_window(services: Services, window: str) -> None:
    if window not in _windows(services):
        raise _unknown_window(services)


def _unknown_window(services: Services) -> Exception:
    return refuse("window", f"must be one of {', '.join(_windows(services))}")


def _windows(services: Services) -> list[str]:
    return [format_duration(window) for window in services.settings.windows]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refuse("tz", "is no time zone; write it as Europe/Berlin", "FORMAT") from None


def _instant(field: str, text: str | None) -> datetime | None:
    try:
        return read_instant(text)
    except ValueError:
        raise refuse(field, "is no instant; write it as 2026-03-01T00:00:00Z", "FORMAT") from None


def _is_csv(form: Format | None, accept: str) -> bool:
    return form is Format.CSV or (form is None and accept.startswith(_CSV))


def _csv(rows: list[dict[str, Any]], name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(as_csv(rows), headers=headers, media_type=_CSV)
