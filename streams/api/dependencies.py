"""What an endpoint may ask for: the process's parts, and the caller that was let in."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader

from streams.api.callers import Caller
from streams.api.services import Services

_TOKEN = APIKeyHeader(
    name="Authorization", auto_error=False, description="A token, with or without 'Bearer'."
)


def services_of(request: Request) -> Services:
    """The parts of this process."""
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(services_of)]


async def admitted(
    request: Request, services: Parts, _: Annotated[str | None, Depends(_TOKEN)]
) -> Caller:
    """Who asks; every token that is valid may read what is not personal.

    Raises:
        ApiError: 401, 403 or 429.
    """
    return await services.guard.admit(request)


Admitted = Annotated[Caller, Depends(admitted)]
