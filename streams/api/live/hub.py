"""Looks for what has changed, once for all who listen, and only while somebody does.

The consuming thread wakes it when it has written something; without that it looks once a second,
for other processes write too.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from streams.adapters.instants import format_instant
from streams.api.errors import ApiError
from streams.api.live.listeners import Listener, encode_as_of, encode_event
from streams.api.live.news import NewsReader

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from streams.api.metrics import ApiMetrics
    from streams.api.operations.desk import Desk
    from streams.api.overview.board import Board

log = structlog.get_logger(__name__)

_MOST_LISTENERS: Final = 500
_LOOK_SECONDS: Final = 1.0
#: So a burst of batches is one piece for each listener.
_PAUSE_SECONDS: Final = 0.2
_OPERATIONS_SECONDS: Final = 2.0
_AWAY_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 3.0


class Hub:
    """The listeners of a process."""

    def __init__(self, engine: AsyncEngine, board: Board, desk: Desk, metrics: ApiMetrics) -> None:
        self._board = board
        self._desk = desk
        self._metrics = metrics
        self._news = NewsReader(engine)
        self._listeners: set[Listener] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._operating: asyncio.Task[None] | None = None
        self._version = 0
        self._is_over = False
        #: What is written from now on is told.
        self.is_watching = False

    def require_room(self) -> None:
        """Check that one more may listen.

        Raises:
            ApiError: 503, there are too many, or the process ends.
        """
        if self._is_over or len(self._listeners) >= _MOST_LISTENERS:
            raise ApiError(
                503, "UNAVAILABLE", "too many pages are open here", headers={"retry-after": "5"}
            )

    def join(self, listener: Listener) -> None:
        """Begin to tell it."""
        self._listeners.add(listener)
        self._metrics.listeners.set(len(self._listeners))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._on_end)

    def leave(self, listener: Listener) -> None:
        """Tell it nothing more."""
        self._listeners.discard(listener)
        self._metrics.listeners.set(len(self._listeners))

    def wake(self) -> None:
        """Something was written; called in the event loop."""
        self._wake.set()

    def close(self) -> None:
        """End all of them; whoever comes later is refused."""
        self._is_over = True
        self._wake.set()
        for listener in self._listeners:
            listener.end()

    async def stop(self) -> None:
        """The same, and wait until nothing is being looked for: the database may go then."""
        self.close()
        tasks = {task for task in (self._task, self._operating) if task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        """Pages come again, and so begin it anew, if it has failed."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("hub_failed", error=type(error).__name__)
            for listener in self._listeners:
                listener.end()

    async def _run(self) -> None:
        self._news.forget()
        self.is_watching, operations_at = False, 0.0
        while self._listeners and not self._is_over:
            try:
                if not self.is_watching:  # what was before is no news
                    await self._board.totals.look()
                    self._version = self._board.totals.version
                await self._tell_news()
                self.is_watching = True
                await self._tell_overview()
            except SQLAlchemyError as error:
                log.warning("hub_without_database", error=type(error).__name__)
                await asyncio.sleep(_AWAY_SECONDS)
            now = time.monotonic()
            if now >= operations_at and any(one.sees_operations for one in self._listeners):
                operations_at = now + _OPERATIONS_SECONDS
                if self._operating is None or self._operating.done():
                    # in a task of its own: Kafka may be away, and nobody waits for it
                    self._operating = asyncio.create_task(self._tell_operations())
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                await asyncio.wait_for(self._wake.wait(), _LOOK_SECONDS)
            except TimeoutError:
                continue
            self._wake.clear()
        self.is_watching = False

    async def _tell_news(self) -> None:
        for news in await self._news.read():
            for listener in self._listeners:
                if listener.sees(news.instance_id, news.site_id):
                    self._put(listener, news.event)

    async def _tell_overview(self) -> None:
        totals = self._board.totals
        await totals.look()
        changed, self._version = totals.changed_since(self._version), totals.version
        for listener in self._listeners:
            seen = [one.as_of for one in changed if listener.sees(one.instance_id, one.site_id)]
            if seen:
                self._put(listener, encode_as_of("overview", format_instant(max(seen))))

    async def _tell_operations(self) -> None:
        try:
            event = encode_event("operations", await self._desk.body())
        except (SQLAlchemyError, ApiError) as error:  # told again in two seconds, or it ends
            log.warning("hub_without_operations", error=type(error).__name__)
            return
        for listener in self._listeners:
            if listener.sees_operations:
                self._put(listener, event)

    def _put(self, listener: Listener, event: bytes) -> None:
        if listener.put(event, instead=encode_as_of("overview", None)):
            self._metrics.told.inc()
        else:
            self._metrics.skipped.inc()
