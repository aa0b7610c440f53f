"""What an endpoint may ask for: the process's parts, and the caller that was let in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Depends, Query, Request
from fastapi.security import APIKeyHeader

from streams.api.access.guard import require
from streams.api.callers import Caller, Scope
from streams.api.errors import ApiError
from streams.api.freshness import InvalidPositionError
from streams.api.query.violations import refuse
from streams.api.services import Services

_SCHEME: Final = APIKeyHeader(
    name="Authorization", auto_error=False, description="A token, with or without 'Bearer'."
)
_POSITIONS: Final = Query(
    description="Wait for this webhook, up to 2 s: what the ingress returned in "
    "X-Checkout-Recovery-Position.",
    max_length=16,
)
_NONE: Final[list[str]] = []
_WAIT_SECONDS: Final = 2.0


async def services_of(request: Request) -> Services:  # see below
    """The parts of this process.

    Not because it waits: what does not is run in another thread, which costs more than an answer.
    """
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(services_of)]
Token = Annotated[str | None, Depends(_SCHEME)]
_MinPosition = Annotated[list[str], _POSITIONS]


async def reader(
    request: Request, services: Parts, _token: Token, min_position: _MinPosition = _NONE
) -> Caller:
    """Who asks, and may read, once the model has what it asks for.

    Raises:
        ApiError: 401, 403, 429, or 503: the model is not so far yet.
        InvalidRequestError: what it asks for is no position.
    """
    caller = await services.guard.admit(request, takes_sessions=True)
    require(caller, Scope.READ)
    await _wait(services, min_position)
    return caller


async def deleter(
    request: Request, services: Parts, _token: Token, min_position: _MinPosition = _NONE
) -> Caller:
    """Who asks, and may delete, once the model has what it asks for.

    Raises:
        ApiError: 401, 403, 429, or 503: the model is not so far yet.
        InvalidRequestError: what it asks for is no position.
    """
    caller = await services.guard.admit(request)
    require(caller, Scope.DELETE)
    await _wait(services, min_position)
    return caller


async def _wait(services: Services, positions: Sequence[str]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    for position in positions:
        left = max(0.0, deadline - time.monotonic())
        try:
            has_it = await services.freshness.has(position, within_seconds=left)
        except InvalidPositionError:
            raise refuse(
                "min_position", "is no position that the ingress returns", "FORMAT"
            ) from None
        if not has_it:
            raise ApiError(
                503,
                "POSITION_NOT_REACHED",
                f"{position} is not in the read model yet, after {_WAIT_SECONDS:.0f} s",
                headers={"retry-after": "1"},
            )


Reader = Annotated[Caller, Depends(reader)]
Deleter = Annotated[Caller, Depends(deleter)]
