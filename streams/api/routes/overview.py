"""What the live page shows of the rates, for other dashboards too."""

from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response

from streams.adapters.conversion import format_duration
from streams.api import wire
from streams.api.dependencies import Parts, Reader
from streams.api.overview import history
from streams.api.overview.answers import Overview, Recent, Series, SitesFound, Times
from streams.api.overview.windows import span_of

router: Final = APIRouter(prefix="/v1/overview", tags=["Overview"])

_MOST: Final = 100

Site = Annotated[
    str | None,
    Query(description="Instance id, or Wix's site id; none: all of them.", max_length=64),
]
Window = Annotated[str, Query(description="As configured: 24h, 7d, 30d.", max_length=8)]
Limit = Annotated[int, Query(ge=1, le=_MOST)]


@router.get("", response_model=Overview, responses=wire.errors(404))
async def overview(caller: Reader, services: Parts, site: Site = None) -> Response:
    """The newest numbers of a site as they were published, or the sums over all sites."""
    return wire.json_response(await services.board.overview(caller, site))


@router.get("/series", response_model=Series, responses=wire.errors(404))
async def series(
    caller: Reader, services: Parts, site: Site = None, window: Window = "7d"
) -> Response:
    """Abandonments and recoveries over time, and the share of each time's that recovered so far."""
    span = span_of(services.settings, window)
    return wire.json_response(await services.board.series(caller, site, span))


@router.get("/recovery-times", response_model=Times, responses=wire.errors(404))
async def recovery_times(
    caller: Reader, services: Parts, site: Site = None, window: Window = "7d"
) -> Response:
    """How long recoveries took: percentiles and their distribution."""
    span = span_of(services.settings, window)
    return wire.json_response(await services.board.times(caller, site, span))


@router.get("/recent", response_model=Recent, responses=wire.errors(404))
async def recent(caller: Reader, services: Parts, site: Site = None, limit: Limit = 20) -> Response:
    """The latest recoveries."""
    return wire.json_response(await services.board.recent(caller, site, limit))


@router.get("/sites", response_model=SitesFound, responses=wire.errors())
async def sites(
    caller: Reader,
    services: Parts,
    search: Annotated[str, Query(description="Beginning of an id.", max_length=64)] = "",
    limit: Limit = 20,
) -> Response:
    """Sites by the beginning of an id; without one those with most checkouts."""
    window = format_duration(max(services.settings.windows))
    async with services.engine.connect() as connection:
        found = await history.search(connection, caller, search, window, limit)
    return wire.json_response(orjson.dumps({"sites": found}))
