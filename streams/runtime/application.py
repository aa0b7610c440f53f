"""Makes a Faust application that runs on this runtime, and runs it in this process."""

from __future__ import annotations

import asyncio
import gc
import signal
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import faust
import structlog
from faust.transport.base import Transport
from faust.transport.drivers import TRANSPORTS

from streams.runtime.delivery import BatchStream
from streams.runtime.exits import ExitCode, die
from streams.runtime.membership import GroupConsumer
from streams.runtime.producer import TransactionalProducer
from streams.runtime.selfcheck import unsupported_versions
from streams.runtime.store import RuntimeTable, RuntimeTableManager
from streams.runtime.topic import RuntimeTopic
from streams.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)

_SCHEME = "exactly-once"
_STOP_LIMIT_SECONDS = 9.0


class RuntimeTransport(Transport):  # type: ignore[misc]  # Faust is untyped here
    """Faust's driver of this runtime; brokers and security come from the settings."""

    Consumer = GroupConsumer
    Producer = TransactionalProducer
    driver_version = "streams.runtime"
    default_port = 9092


class RuntimeApp(faust.App):  # type: ignore[misc]  # Faust is untyped here
    """A Faust application on this runtime."""

    runtime: RuntimeSettings
    watchdog: Watchdog
    #: Topics that are read or written; Faust makes a table's changelog through ``topic`` as well.
    declared_topics: set[str]
    #: Whether the state of the assigned partitions is in place; may be read from any thread.
    is_ready = False
    #: Whether there have been partitions with their state at some time.
    has_worked = False

    def topic(self, *names: str, **options: Any) -> faust.Topic:  # noqa: ANN401  # Faust's signature
        """A topic to read or to write; its leaders are known before the first record."""
        self.declared_topics.update(names)
        return super().topic(*names, **options)

    def abandon(self, code: ExitCode, reason: str, **fields: object) -> NoReturn:
        """Abort the open transaction and end the process: nothing of it is committed."""
        self.producer.abort()
        die(code, reason, **fields)

    async def _on_agent_error(self, agent: Any, error: BaseException) -> None:  # noqa: ANN401  # Faust's signature
        """Nothing of the event is committed. The message may hold a payload: it is not logged."""
        frames = traceback.extract_tb(error.__traceback__)
        log.error(
            "agent_failed",
            agent=agent.name,
            error=type(error).__name__,
            at=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        )
        self.abandon(ExitCode.AGENT_FAILED, "an agent raised an exception", agent=agent.name)


def make_app(settings: RuntimeSettings) -> RuntimeApp:
    """A Faust application; declare topics, tables and agents on it, then call ``run``.

    Raises:
        RuntimeError: a library has a version that the runtime was not tested on.
    """
    problems = unsupported_versions()
    if problems:
        raise RuntimeError("\n".join(problems))
    TRANSPORTS.aliases[_SCHEME] = "streams.runtime.application:RuntimeTransport"
    app = RuntimeApp(
        settings.group,
        broker=f"{_SCHEME}://localhost",
        topic_partitions=settings.partitions,
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        stream_wait_empty=False,
        datadir="/nonexistent",
        Stream=BatchStream,
        Table=RuntimeTable,
        Topic=RuntimeTopic,
        TableManager=RuntimeTableManager,
    )
    app.runtime = settings
    app.declared_topics = set()
    return app


def run(
    app: RuntimeApp, *, beside: Callable[[asyncio.Event], Awaitable[None]] | None = None
) -> ExitCode:
    """Run until SIGTERM or SIGINT; then finish, commit and leave within 10 s.

    ``beside`` runs in the same loop and is given the event that is set when it is time to stop.
    Everything that breaks a promise ends the process from inside, see ``ExitCode``.
    """
    app.watchdog = Watchdog()
    gc.set_threshold(50_000, 20, 100)  # full collections over large stores cost more than they find
    return asyncio.run(_run(app, beside))


async def _run(
    app: RuntimeApp, beside: Callable[[asyncio.Event], Awaitable[None]] | None
) -> ExitCode:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app.loop = loop
    starting = asyncio.create_task(app.maybe_start())
    waiting = asyncio.create_task(stop.wait())
    companion = None if beside is None else asyncio.create_task(_forever(beside, stop))
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
    await waiting
    with app.watchdog.limit("stop", _STOP_LIMIT_SECONDS):
        if starting.done():
            app.consumer.leave()  # at once: Faust's services stop in turn, the agents late
        else:
            starting.cancel()
        await app.stop()
        if companion is not None:
            await companion
    return ExitCode.OK


async def _forever(beside: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
    try:
        await beside(stop)
    except Exception as error:  # noqa: BLE001  # the worker must not go on without it
        die(ExitCode.AGENT_FAILED, "a companion of the agents failed", error=type(error).__name__)
