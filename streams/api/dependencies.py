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


async def services_of(request: Request) -> Services:  # see below
    """The parts of this process.

    Not because it waits: what does not is run in another thread, which costs more than an answer.
    """
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(services_of)]
_Token = Annotated[str | None, Depends(_SCHEME)]


async def reader(request: Request, services: Parts, _token: _Token) -> Caller:
    """Who asks, and may read.

    Raises:
        ApiError: 401, 403 or 429.
    """
    caller = await services.guard.admit(request)
    require(caller, Scope.READ)
    return caller


async def deleter(request: Request, services: Parts, _token: _Token) -> Caller:
    """Who asks, and may delete.

    Raises:
        ApiError: 401, 403 or 429.
    """
    caller = await services.guard.admit(request)
    require(caller, Scope.DELETE)
    return caller


Reader = Annotated[Caller, Depends(reader)]
Deleter = Annotated[Caller, Depends(deleter)]
