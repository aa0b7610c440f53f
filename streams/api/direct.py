"""Get and Query answered without FastAPI's machinery, by the very functions that it would call.

Per request FastAPI takes longer than the database does, so the two that clients ask for all the
time go round it. All else goes the long way, and so do these two when they ask to wait.
Invariant: the answer is the same either way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import Match

from streams.api.dependencies import reader
from streams.api.errors import answer_to
from streams.api.routes import wix

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from streams.api.callers import Caller
    from streams.api.services import Services

    Endpoint = Callable[[Request, Caller, Services], Awaitable[Response]]

#: A query that asks to wait, or that may do so in other letters.
_WAITS: Final = re.compile(rb"min_position|%")


def _get(request: Request, caller: Caller, services: Services) -> Awaitable[Response]:
    return wix.get(request.path_params["abandoned_checkout_id"], caller, services)


_ENDPOINTS: Final[dict[object, Endpoint]] = {wix.get: _get, wix.query: wix.query}


class Direct:
    """An ASGI application before another."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services
        self._routes = [
            (route, _ENDPOINTS[route.endpoint])
            for route in wix.router.routes
            if isinstance(route, APIRoute) and route.endpoint in _ENDPOINTS
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not _WAITS.search(scope["query_string"]):
            for route, endpoint in self._routes:
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    response = await self._answer(Request(scope, receive), endpoint)
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, request: Request, endpoint: Endpoint) -> Response:
        try:
            caller = await reader(request, self._services, None)
            return await endpoint(request, caller, self._services)
        except Exception as error:  # noqa: BLE001  # the top of a request
            return answer_to(error)
