"""What holds for every request: its bounds, its freshness, its headers, its place in the metrics.

Invariant: nothing is read without bound, and every answer says up to when it is complete.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from streams.adapters.instants import format_instant
from streams.api.errors import ApiError, database_away, error_response

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from streams.api.services import Services

AS_OF_HEADER: Final = b"x-checkout-recovery-as-of"
REQUEST_ID_HEADER: Final = b"x-wix-request-id"
LARGEST_BODY: Final = 256 << 10
LONGEST_QUERY: Final = 8 << 10
_PROBES: Final = frozenset({"/healthz", "/readyz"})
#: The page comes also while the database is away, to say so.
_WITHOUT_DATABASE: Final = frozenset({*_PROBES, "/"})
_ASSETS: Final = "/assets/"
_STREAM: Final = "/v1/live"

#: The page of docs has its style inside and no script; the live page has a policy of its own.
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    ),
)


class Edge:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        answer = _Answer(send)
        try:
            await self._answer(scope, receive, answer)
        except Exception:
            if not answer.has_started:
                raise
            # the application has answered 500 and logged why
        finally:
            self._count(scope, answer.status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if scope["path"] in _WITHOUT_DATABASE or scope["path"].startswith(_ASSETS):
            await self._app(scope, receive, answer.send)
            return
        refusal = self._refuse(scope)
        as_of = None
        try:
            as_of = await self._services.freshness.as_of()
        except SQLAlchemyError as error:
            refusal = refusal or database_away(error)
        if as_of is not None:
            answer.headers.append((AS_OF_HEADER, format_instant(as_of).encode()))
        if refusal is not None:
            await refusal(scope, receive, answer.send)
            return
        await self._app(scope, _bounded(receive), answer.send)

    @staticmethod
    def _refuse(scope: Scope) -> ASGIApp | None:
        """The answer to a request that is not looked at."""
        query: bytes = scope["query_string"]
        if len(query) > LONGEST_QUERY:
            return error_response(
                ApiError(414, "URI_TOO_LONG", f"a query has at most {LONGEST_QUERY} bytes")
            )
        if _declared(scope) > LARGEST_BODY:
            return error_response(
                ApiError(413, "PAYLOAD_TOO_LARGE", f"a body has at most {LARGEST_BODY} bytes")
            )
        return None

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        if route not in _PROBES:
            self._services.metrics.answers.labels(route, str(status)).inc()
            if route != _STREAM:  # it takes as long as somebody looks
                self._services.metrics.seconds.labels(route).observe(seconds)


class _Answer:
    """Adds the headers of every answer, and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.has_started = False
        request_id = str(uuid.uuid4()).encode()
        self.headers: list[tuple[bytes, bytes]] = [*_HEADERS, (REQUEST_ID_HEADER, request_id)]

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.has_started = message["status"], True
            own: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
            names = {name.lower() for name, _ in own}
            message = {
                **message,
                "headers": own + [header for header in self.headers if header[0] not in names],
            }
        await self._send(message)


def _bounded(receive: Receive) -> Receive:
    read = 0

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > LARGEST_BODY:
            raise HTTPException(413)
        return message

    return bounded


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
