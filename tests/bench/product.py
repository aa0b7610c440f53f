"""The product's worker, whole: both agents, the full law, metrics on; and stock Faust beside it.

Stock Faust has the same law in its agent ``track-checkouts``, at least once; its rates are left
out, which is in its favour. The records are put on the source when all workers are
ready. A run passes only if every announcement is there once and equal to
the byte, every fact is there once, the table's changelog ends in exactly the states that the law
gives, no record was dead-lettered, and the groups have committed to the end.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import uuid
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from streams.adapters.kafka import client_config, producer_config
from streams.adapters.reading import read_to_end
from streams.adapters.topics import EVENTS, FACTS, GROUP, SOURCE, apply_topics
from streams.config import Settings, load_settings
from streams.demo.kafka.broker import free_port
from streams.domain.law import Law
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Target
from streams.worker.tracking import Tracking
from tests.bench.harness.positions import Positions
from tests.bench.harness.processes import Meter, child_of, cores, on_core, resident_bytes
from tests.bench.harness.runs import Run, WrongRunError
from tests.bench.traffic import fill, traffic
from tests.support.services import Process, environment, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.demo.kafka import EmbeddedKafka
    from streams.worker.records import Incoming

_WARM_SHARE: Final = 0.25
_LOOK_SECONDS: Final = 0.05
_START_SECONDS: Final = 90
_CORES: Final = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Outputs:
    """What must come of the records: by the event's id, by the fact without its position."""

    events: dict[str, bytes]
    facts: Counter[bytes]
    states: dict[bytes, bytes]


def outputs(settings: Settings, records: Sequence[Incoming]) -> Outputs:
    """The agents' plain functions over the records."""
    law = Law(settings.windows, settings.horizon, settings.announce_within)
    tracking = Tracking(law, WorkerMetrics())
    table: dict[bytes, bytes] = {}
    events: dict[str, bytes] = {}
    facts: Counter[bytes] = Counter()
    for record in records:
        for outgoing in tracking.process(record, table):
            if outgoing.target is Target.EVENTS:
                events[dict(outgoing.headers)["ce_id"].decode()] = outgoing.value or b""  # type: ignore[union-attr]  # always there
            elif outgoing.target is Target.FACTS:
                facts[without_position(outgoing.value)] += 1
            else:
                raise SystemExit("the simulator's traffic can't be read")
    return Outputs(events, facts, table)


def without_position(value: bytes | None) -> bytes:
    """A fact without where its event lies, which differs between runs."""
    fact = orjson.loads(value or b"{}")
    fact.pop("source", None)
    return orjson.dumps(fact)


@dataclass(frozen=True, slots=True)
class Team:
    """Who works: how many processes, how they are started, and what they leave out."""

    name: str
    start: Callable[[Settings, int, int, Path], Process]
    note: str = ""
    workers: int = 1
    share: float = 1.0
    has_rates: bool = True
    is_supervised: bool = True


class Product:
    """A broker, and traffic that is put on a source topic of each run's own."""

    def __init__(self, kafka: EmbeddedKafka, data: Path, *, events: int) -> None:
        """``data``: the broker's folder."""
        self._bootstrap = kafka.bootstrap_servers
        self._broker = kafka.pid
        self._data = data
        self._records = traffic(events)
        self._wanted: dict[int, Outputs] = {}

    def run(
        self, team: Team, *, partitions: int = 8, pinned: bool = True, limit_seconds: float = 240
    ) -> Run:
        """One run, checked.

        Raises:
            WrongRunError: it hung, or did the wrong thing.
        """
        settings = load_settings(
            bootstrap_servers=self._bootstrap, topic_prefix=f"p{uuid.uuid4().hex[:8]}."
        )
        records = self._records[: int(len(self._records) * team.share)]
        if len(records) not in self._wanted:
            self._wanted[len(records)] = outputs(settings, records)
        apply_topics(settings, is_development=True, partitions=partitions)
        topics = [SOURCE, FACTS] if team.has_rates else [SOURCE]
        load = os.getloadavg()[0]
        with (
            _started(team, settings, pinned=pinned) as processes,
            Positions(client_config(settings), settings.topic(GROUP)) as group,
        ):
            fill(producer_config(settings), settings.topic(SOURCE), records)
            names = [settings.topic(name) for name in topics]
            pids, begun = self._warmed_up(team, settings, group, processes, len(records))
            before, started = Meter.read(pids, [self._broker]), time.monotonic()
            while group.behind(names):
                if time.monotonic() - started > limit_seconds:
                    raise WrongRunError(f"{group.behind(names)} records left in time")
                time.sleep(_LOOK_SECONDS)
            seconds = time.monotonic() - started
            after = Meter.read(pids, [self._broker])
            resident = sum(map(resident_bytes, pids))
        self._check(settings, self._wanted[len(records)])
        counted = len(records) - begun
        return Run(
            value=counted / seconds,
            cpu_microseconds=1e6 * (after.contender - before.contender) / counted,
            resident_megabytes=resident / 1e6,
            others=after.others_since(before) / (seconds * _CORES),
            load_average=load,
            more={
                "broker_microseconds": 1e6 * (after.beside - before.beside) / counted,
                "busy_percent": 100 * (after.machine - before.machine) / (seconds * _CORES),
                "stored_bytes": self._stored_bytes(settings) / len(records),
            },
        )

    def _stored_bytes(self, settings: Settings) -> int:
        """In the segments of all of the run's topics."""
        segments = self._data.glob(f"*/{settings.topic_prefix}*/*.log")
        return sum(segment.stat().st_size for segment in segments)

    def _warmed_up(
        self,
        team: Team,
        settings: Settings,
        group: Positions,
        processes: list[Process],
        count: int,
    ) -> tuple[list[int], int]:
        """The pids that do the work, and the records that are committed already."""
        source, deadline = settings.topic(SOURCE), time.monotonic() + _START_SECONDS
        while (begun := group.committed(source)) < count * _WARM_SHARE:
            for process in processes:
                if process.popen.poll() is not None:
                    raise WrongRunError(f"it ended: {process.text()[-500:]}")
            if time.monotonic() > deadline:
                raise WrongRunError(f"only {begun} of {count} after {_START_SECONDS} s")
            time.sleep(_LOOK_SECONDS)
        if begun >= count:
            raise WrongRunError(f"{count} records are too few: it was done at once")
        pids = [process.popen.pid for process in processes]
        return [child_of(pid) for pid in pids] if team.is_supervised else pids, begun

    def _check(self, settings: Settings, wanted: Outputs) -> None:
        client = client_config(settings)
        events: dict[str, bytes] = {}
        for message in read_to_end(client, settings.topic(EVENTS)):
            identifier = dict(message.headers() or [])["ce_id"].decode()
            if identifier in events:
                raise WrongRunError(f"announced twice: {identifier}")
            events[identifier] = message.value() or b""
        if events != wanted.events:
            raise WrongRunError(
                f"{len(events)} announcements, {len(wanted.events)} expected, "
                f"{sum(events.get(name) != value for name, value in wanted.events.items())} differ"
            )
        facts = Counter(
            without_position(message.value())
            for message in read_to_end(client, settings.topic(FACTS))
            if b'"kind":"fact"' in (message.value() or b"")
        )
        if facts != wanted.facts:
            raise WrongRunError(
                f"{facts.total()} facts, {wanted.facts.total()} expected, "
                f"{(wanted.facts - facts).total()} missing"
            )
        states: dict[bytes, bytes] = {}
        for message in read_to_end(client, f"{settings.topic(GROUP)}-checkouts-changelog"):
            states[message.key() or b""] = message.value() or b""
        if states != wanted.states:
            raise WrongRunError("the table's changelog does not end in the expected states")
        letters = sum(1 for _ in read_to_end(client, settings.topic(Target.DEAD_LETTERS.value)))
        if letters:
            raise WrongRunError(f"{letters} records were dead-lettered")


@contextmanager
def _started(team: Team, settings: Settings, *, pinned: bool) -> Iterator[list[Process]]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        processes = []
        if pinned:
            stack.enter_context(on_core(cores()[0]))
        ports = [free_port() for _ in range(team.workers)]
        for number, port in enumerate(ports):
            log = Path(name) / f"worker-{number}"
            processes.append(team.start(settings, number, port, log))
            stack.callback(_end, processes[-1])
        urls = [f"http://127.0.0.1:{port}/readyz" for port in ports]
        wait_until(lambda: all(status(url) == 200 for url in urls), _START_SECONDS)
        if pinned:
            with on_core(cores()[1]):
                yield processes
        else:
            yield processes


def _end(process: Process) -> None:
    if process.popen.poll() is None:
        process.popen.terminate()
        try:
            process.popen.wait(15)
        except subprocess.TimeoutExpired:
            process.popen.kill()
            process.popen.wait()


def ours(settings: Settings, number: int, port: int, log: Path) -> Process:
    """The command ``worker`` as an operator starts it."""
    env = environment(settings, WORKER_SLOT=str(number), METRICS_PORT=str(port))
    return Process(["worker"], env, log)


def stock_faust(settings: Settings, _number: int, port: int, log: Path) -> Process:
    """The same law on Faust as it comes."""
    data = log.with_name("data")
    data.mkdir(exist_ok=True)
    env = environment(settings, METRICS_PORT=str(port))
    return Process([str(data)], env, log, module="tests.chaos.stock_worker")


OURS: Final = Team("ours", ours, "both agents, exactly once")
STOCK: Final = Team(
    "stock Faust",
    stock_faust,
    "track-checkouts alone, at least once",
    share=0.5,
    has_rates=False,
    is_supervised=False,
)
