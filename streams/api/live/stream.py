"""A stream of events as an answer: it ends with its listener, its token, its reader or the process.

Written beside Starlette's, which under our server's version of ASGI would hand every piece through
a generator in a task group; and a reader that is gone is noticed here also while nothing is sent.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from streams.adapters.instants import format_instant
from streams.api.live.listeners import encode_as_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from streams.api.access.guard import Guard
    from streams.api.freshness import Freshness
    from streams.api.live.hub import Hub
    from streams.api.live.listeners import Listener

_RETRY_MS: Final = 2_000
_BEAT_SECONDS: Final = 10.0
#: So long a token that was taken away is still told.
_LOOK_SECONDS: Final = 2.0


class EventStream(Response):
    """The answer of ``/v1/live``."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, guard: Guard, freshness: Freshness, listener: Listener) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub
        self._guard = guard
        self._freshness = freshness
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until one of the ends."""
        del scope
        watching = asyncio.create_task(self._until_gone(receive))
        self._hub.join(self._listener)
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            await _piece(send, b"retry: %d\n\n%s" % (_RETRY_MS, await self._say("hello")))
            said_at = time.monotonic()
            while self._guard.is_valid(self._listener.grant):
                waiting = await self._listener.take(within_seconds=_LOOK_SECONDS)
                if waiting is None:
                    break
                if not waiting and time.monotonic() - said_at > _BEAT_SECONDS:
                    waiting = await self._say("beat")
                if waiting:
                    await _piece(send, waiting)
                    said_at = time.monotonic()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watching.cancel()
            self._hub.leave(self._listener)

    async def _say(self, name: str) -> bytes:
        try:
            as_of = await self._freshness.as_of()
        except SQLAlchemyError:
            as_of = None
        return encode_as_of(name, None if as_of is None else format_instant(as_of))

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._listener.end()


async def _piece(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
