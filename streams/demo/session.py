"""The commands ``demo`` and ``up``: a stack, and for the demo simulated shops and a final audit."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from streams.adapters import topics
from streams.adapters.kafka import client_config
from streams.demo.audit.answers import judge_answers
from streams.demo.audit.judge import AuditReport, Logs, audit
from streams.demo.audit.log import lag, read_logs
from streams.demo.figures import FiguresReader
from streams.demo.kafka import BrokerError, JarsError, JavaError
from streams.demo.simulator.platform import Options, Platform, past, steady
from streams.demo.simulator.posting import Ledger, Poster
from streams.demo.simulator.signing import Signer
from streams.demo.stack import Stack, StackError, StackOptions
from streams.demo.views import LiveView, PlainView, print_audit

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.config import Settings

_FAILED: Final = 1
_TEND_SECONDS: Final = 0.5
_CATCH_UP_SECONDS: Final = 60.0
#: No lag and no new output for so long: everything has been published.
_QUIET_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the demo does. ``seconds`` None: until Ctrl-C."""

    seconds: float | None = None
    rate: float = 20.0
    seed: int = 1
    sites: int = 12
    history: int = 600
    workers: int = 2
    data_dir: Path | None = None
    style: str = "live"


def demo(options: DemoOptions) -> int:
    """Run everything with simulated shops, then audit; 0 if the audit is equal, else 1."""
    console = Console(stderr=options.style == "json")
    view = LiveView(console) if options.style == "live" else PlainView(options.style)
    stop = _stop_on_signals()
    with tempfile.TemporaryDirectory(prefix="checkout-recovery-demo-") as scratch:
        signer = Signer()
        key = Path(scratch, "demo-app.pem")
        signer.write_public_key(key)
        stack = Stack(
            StackOptions((key,), options.data_dir, options.workers),
            progress=view.downloading,
            tell=view.tell,
        )
        try:
            with stack, view:
                return _demonstrate(options, stack, signer, view, stop)
        except (StackError, BrokerError, JarsError, JavaError) as error:
            sys.stderr.write(f"checkout-recovery demo: {error}\n")
            return _FAILED


def up(options: StackOptions, *, as_json: bool) -> int:
    """Run everything without the simulator until told to stop."""
    stop = _stop_on_signals()
    tell = _silent if as_json else _to_stderr
    try:
        with Stack(options, progress=_downloads_to_stderr, tell=tell) as stack:
            sys.stdout.write((stack.ready_line() if as_json else _welcome(stack)) + "\n")
            sys.stdout.flush()
            while not stop.wait(_TEND_SECONDS):
                stack.tend()
    except (StackError, BrokerError, JarsError, JavaError) as error:
        sys.stderr.write(f"checkout-recovery up: {error}\n")
        return _FAILED
    return 0


async def simulate(
    url: str, options: Options, signer: Signer, *, rate: float, seconds: float | None
) -> Ledger:
    """Post signed webhooks to an ingress, in real time, until the time is over or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    start = datetime.now(UTC)
    platform, poster = Platform(options, start), Poster(url, signer)
    instants = steady(Random(options.seed), start, rate)  # noqa: S311  # repeatable, not secret
    await poster.post_all(platform.sendings(instants), stop=stop, at_their_time=True)
    return poster.ledger


def _demonstrate(
    options: DemoOptions,
    stack: Stack,
    signer: Signer,
    view: LiveView | PlainView,
    stop: threading.Event,
) -> int:
    settings = stack.settings
    view.tell(f"look:      {stack.page_url}")
    view.tell(f"webhooks:  POST {stack.ingress_url}")
    view.tell(f"API:       {stack.api_url}/docs, token {stack.api_token}")
    view.tell(f"subscribe: {stack.bootstrap_servers}, topic {topics.EVENTS} (read_committed)")
    reader = FiguresReader(settings)
    reader.start()
    traffic = _Traffic(options, stack, signer)
    traffic.start()
    deadline = None if options.seconds is None else time.monotonic() + options.seconds
    while not stop.wait(_TEND_SECONDS) and traffic.is_alive():
        stack.tend()
        view.show(reader.figures, traffic.ledgers, stack)
        if deadline is not None and time.monotonic() > deadline:
            break
    traffic.stop()
    view.tell("the shops have closed; waiting until everything is processed")
    report = _audit(settings, stack, traffic, reader)
    view.show(reader.figures, traffic.ledgers, stack)
    reader.stop()
    view.close()
    print_audit(report, options.style, restarts=sum(s.restarts for s in stack.services))
    return 0 if report.is_equal else _FAILED


def _audit(
    settings: Settings, stack: Stack, traffic: _Traffic, reader: FiguresReader
) -> AuditReport:
    client = client_config(settings)
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    quiet_since, seen = time.monotonic(), -1
    while time.monotonic() - quiet_since < _QUIET_SECONDS:
        stack.tend()
        behind = lag(client, topics.GROUP, [topics.SOURCE, topics.FACTS])
        if behind or reader.figures.records != seen:
            quiet_since, seen = time.monotonic(), reader.figures.records
        if time.monotonic() > deadline:
            report = AuditReport()
            report.differ(f"after {_CATCH_UP_SECONDS:.0f} s, {behind} records are unprocessed")
            return report
        time.sleep(0.2)
    logs = read_logs(settings)
    report = audit(logs, [webhook for ledger in traffic.ledgers for webhook in ledger.accepted])
    report.add(_audit_answers(stack, logs))
    return report


def _audit_answers(stack: Stack, logs: Logs) -> AuditReport:
    """The API follows the topics: it gets a little time to become equal to them."""
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while True:
        stack.tend()
        report = judge_answers(stack.ask_api, logs, Random(1))  # noqa: S311  # repeatable, not secret
        if report.is_equal or time.monotonic() > deadline:
            return report
        time.sleep(_TEND_SECONDS)


class _Traffic:
    """The simulated shops in a thread of their own: first their history, then live traffic."""

    def __init__(self, options: DemoOptions, stack: Stack, signer: Signer) -> None:
        self._options = options
        self._posters = [Poster(stack.ingress_url, signer) for _ in range(2)]
        self._stop: Callable[[], Any] = _nothing
        self._thread = threading.Thread(target=self._run, daemon=True, name="shops")
        self._started = threading.Event()

    @property
    def ledgers(self) -> list[Ledger]:
        return [poster.ledger for poster in self._posters]

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stop()
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._post())

    async def _post(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        self._started.set()
        options = self._options
        now = datetime.now(UTC)
        random = Random(options.seed)  # noqa: S311  # repeatable, not secret
        history = Platform(Options(seed=options.seed, sites=options.sites), now)
        sendings = history.sendings(past(random, now, days=36, count=options.history))
        old = (sending for sending in sendings if sending.at <= now)
        await self._posters[0].post_all(old, stop=stop, at_their_time=False)
        live = Platform(
            Options(seed=options.seed, sites=options.sites, pace=3600), datetime.now(UTC)
        )
        instants = steady(random, datetime.now(UTC), options.rate)
        with suppress(asyncio.CancelledError):
            await self._posters[1].post_all(live.sendings(instants), stop=stop, at_their_time=True)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_args: stop.set())
    return stop


def _welcome(stack: Stack) -> str:
    return "\n".join(
        (
            "Ready. Ctrl-C stops everything.",
            f"  look       {stack.page_url}",
            f"  webhooks   POST {stack.ingress_url}",
            f"  API        {stack.api_url} (docs at {stack.api_url}/docs)",
            f"  token      {stack.api_token}",
            f"  Kafka      {stack.bootstrap_servers}",
            f"  subscribe  {topics.EVENTS} (isolation.level=read_committed)",
            f"  processes  {json.dumps(stack.pids)}",
        )
    )


def _nothing() -> None:
    """Before the traffic has begun there is nothing to stop."""


def _silent(_text: str) -> None:
    """Scripts read one line."""


def _to_stderr(text: str) -> None:
    sys.stderr.write(text + "\n")


def _downloads_to_stderr(done: int, total: int, name: str) -> None:
    sys.stderr.write(f"downloading Apache Kafka: {done}/{total} {name}\n")
