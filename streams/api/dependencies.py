"""What an endpoint may ask for: the process's parts, and the caller that was let in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from streams.api.callers import Caller
from streams.api.services import Services


def services_of(request: Request) -> Services:
    """The parts of this process."""
    services: Services = request.app.state.services
    return services


async def admitted(request: Request) -> Caller:
    """Who asks.

    Raises:
        ApiError: 401, 403 or 429.
    """
    return await services_of(request).guard.admit(request)


Parts = Annotated[Services, Depends(services_of)]
Admitted = Annotated[Caller, Depends(admitted)]
