"""What an endpoint may ask for: the process's parts, and the caller that was let in."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from streams.api.access.guard import require
from streams.api.callers import Caller, Scope
from streams.api.services import Services

_SCHEME: Final = APIKeyHeader(
    name="Authorization", auto_error=False, description="A token, with or without 'Bearer'."
)


def services_of(request: Request) -> Services:
    """The parts of this process."""
    services: Services = request.app.state.services
    return services


async def reader(request: Request, _token: Annotated[str | None, Depends(_SCHEME)]) -> Caller:
    """Who asks, and may read.

    Raises:
        ApiError: 401, 403 or 429.
    """
    caller = await services_of(request).guard.admit(request)
    require(caller, Scope.READ)
    return caller


async def deleter(request: Request, _token: Annotated[str | None, Depends(_SCHEME)]) -> Caller:
    """Who asks, and may delete.

    Raises:
        ApiError: 401, 403 or 429.
    """
    caller = await services_of(request).guard.admit(request)
    require(caller, Scope.DELETE)
    return caller


Parts = Annotated[Services, Depends(services_of)]
Reader = Annotated[Caller, Depends(reader)]
Deleter = Annotated[Caller, Depends(deleter)]
