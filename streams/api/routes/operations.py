"""How the installation does, for who sees all of it."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from streams.api import wire
from streams.api.dependencies import Parts, Reader
from streams.api.errors import ApiError
from streams.api.operations.answers import Operations

router: Final = APIRouter(tags=["Operations"])


@router.get("/v1/operations", response_model=Operations, responses=wire.errors())
async def operations(caller: Reader, services: Parts) -> Response:
    """Throughput, delay, lag, workers, dead letters; for tokens that see every site."""
    if caller.sites is not None:
        raise ApiError(403, "PERMISSION_DENIED", "this is of all sites: the token must see all")
    return wire.json_response(await services.desk.body())
