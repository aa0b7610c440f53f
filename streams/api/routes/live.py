"""What has changed, as it changes."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from streams.api import wire
from streams.api.access.guard import require
from streams.api.callers import Scope
from streams.api.dependencies import Parts, Token
from streams.api.live.listeners import Listener
from streams.api.live.stream import EventStream
from streams.api.sites import find_site

router: Final = APIRouter(tags=["Overview"])


@router.get(
    "/v1/live",
    response_class=Response,
    responses={
        200: {
            "description": "Events: `hello`, `overview` (numbers have changed), `abandonment`, "
            "`recovery`, `operations`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **wire.errors(404),
    },
)
async def live(
    request: Request,
    services: Parts,
    _token: Token,
    site: Annotated[
        str | None,
        Query(description="Instance id, or Wix's site id; none: all of them.", max_length=64),
    ] = None,
) -> Response:
    """Server-sent events until the token is no longer valid.

    Of events that come faster than they are taken the oldest are dropped, and `overview` says so.
    """
    grant = services.guard.grant_of(request, takes_sessions=True)
    caller = await services.guard.caller_of(request, grant)
    require(caller, Scope.READ)
    found = None if site is None else await find_site(services.engine, caller, site)
    listener = Listener(caller, grant, None if found is None else found["instance_id"])
    services.hub.require_room()
    return EventStream(services.hub, services.guard, services.freshness, listener)
