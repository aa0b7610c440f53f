"""The API process: database, consuming thread, HTTP server; drains on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from sqlalchemy.exc import SQLAlchemyError

from streams.adapters.database.engines import reading_engine, writing_engine
from streams.adapters.database.schema import require_tables
from streams.adapters.health import serve_health
from streams.adapters.ports import free_port
from streams.api.app import create_app
from streams.api.consuming import Consuming
from streams.api.metrics import ApiMetrics
from streams.api.model import Model
from streams.api.services import make_services

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from streams.api.freshness import Freshness
    from streams.config import Settings

log = structlog.get_logger(__name__)

_YOUNG_OBJECTS: Final = 50_000
_HEADER_MS: Final = 5_000
_CONNECTIONS: Final = 2_048
_CONNECTION_BYTES: Final = 65_536
_LOOK_SECONDS: Final = 0.5
_FRESH_SECONDS: Final = 30.0
_DRAIN_SECONDS: Final = 3.0
_BATCH_SECONDS: Final = 4.0


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is in flight; the exit code.

    Raises:
        ConfigurationError: a setting can't be used.
        DatabaseError: the database can't be reached, or was not migrated.
        ClusterError: the Kafka client refuses its configuration.
        OSError: the address can't be listened on.
    """
    return uvloop.run(_serve(settings))


class _Readiness:
    """Ready once the model was nearly complete; later it stays so, and tells its age.

    Old answers that say how old they are do less harm than none, so a stop of Kafka makes no
    process unready.
    """

    def __init__(self, freshness: Freshness, metrics: ApiMetrics) -> None:
        self._freshness = freshness
        self._metrics = metrics
        self._has_been_fresh = False
        self.why_not = "starting"

    async def watch(self) -> None:
        """Look again and again."""
        while True:
            self.why_not = await self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> str:
        try:
            age = await self._freshness.age_seconds()
        except SQLAlchemyError:
            return "database_unreachable"
        if age is not None:
            self._metrics.age.set(age)
            self._has_been_fresh = self._has_been_fresh or age < _FRESH_SECONDS
        return "" if self._has_been_fresh else "catching_up"


async def _serve(settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    stop, failed = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    url = settings.database_url.get_secret_value()
    writing, reading = writing_engine(url), reading_engine(url)
    metrics = ApiMetrics()
    consuming = Consuming(settings, Model(writing, metrics), require_tables(writing), metrics)
    services = make_services(settings, reading, metrics)
    readiness = _Readiness(services.freshness, metrics)
    is_draining = False

    def why_not_ready() -> str:
        return "draining" if is_draining else readiness.why_not

    if settings.metrics_port is not None:
        serve_health(
            settings.metrics_host,
            settings.metrics_port,
            registry=metrics.registry,
            readiness=why_not_ready,
        )
    port = settings.api_port or free_port(settings.api_host)
    server = http_server(create_app(services, why_not_ready), settings.api_host, port)

    def on_end() -> None:
        loop.call_soon_threadsafe(failed.set)

    def on_written() -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody listens
            loop.call_soon_threadsafe(services.hub.wake)

    consuming.on_written = on_written
    consuming.start(on_end)
    services.deletions.start()
    serving = asyncio.create_task(server.serve())
    watching = asyncio.create_task(readiness.watch())
    ends = [asyncio.create_task(event.wait()) for event in (stop, failed)]
    await asyncio.sleep(0)  # the server binds its address in its first step
    if not serving.done():
        host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
        log.info("api_listening", url=f"http://{host}:{port}", database=reading.dialect.name)
    # A batch makes many objects that live until it is written: to look at them again and again
    # while it grows took half of the time of a fill.
    gc.set_threshold(_YOUNG_OBJECTS)
    gc.freeze()
    await asyncio.wait({serving, watching, *ends}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if not stop.is_set():
        code = 1
        log.error("api_failed", reason=_why_ended(serving, watching, consuming))
    is_draining = True
    services.hub.close()
    services.desk.close()
    await loop.run_in_executor(None, consuming.stop, _BATCH_SECONDS)
    for task in (watching, *ends):
        task.cancel()
    server.stop()  # type: ignore[no-untyped-call]  # granian's embedded server
    with suppress(TimeoutError, RuntimeError):
        await asyncio.wait_for(serving, _DRAIN_SECONDS)
    await loop.run_in_executor(None, services.deletions.stop)
    await services.hub.stop()
    await reading.dispose()
    writing.dispose()
    log.info("api_stopped")
    return code


def http_server(app: ASGIApp, host: str, port: int) -> Server:
    """The HTTP server, which runs in the loop of its caller; one connection a page that looks."""
    return Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=1_024,
        backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(
            header_read_timeout=_HEADER_MS, max_buffer_size=_CONNECTION_BYTES
        ),
        log_enabled=False,
    )


def _why_ended(
    serving: asyncio.Task[None], watching: asyncio.Task[None], consuming: Consuming
) -> str:
    if consuming.failure is not None:
        return "the reading of the topics has ended"
    for task, name in ((serving, "the server"), (watching, "the watch over readiness")):
        if task.done():
            error = None if task.cancelled() else task.exception()
            return f"{name} ended by itself: {error or 'no reason given'}"
    return "no reason given"
