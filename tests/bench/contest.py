"""Runs the small job by one contender on a broker, measures it from outside, and checks it.

The contender has the first core with all its threads; broker and harness have the last. The time
runs from a share of the source that is committed (who needs to warm up has done so by then) to
all of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confluent_kafka.admin import NewTopic

from streams.adapters.cluster import Cluster
from streams.adapters.kafka import client_config, producer_config
from tests.bench.expected import check, expected
from tests.bench.harness.positions import Positions
from tests.bench.harness.processes import Meter, cores, on_core, resident_bytes
from tests.bench.harness.runs import Run, WrongRunError
from tests.bench.peers.job import Names
from tests.bench.traffic import fill, traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from streams.config import Settings
    from tests.bench.expected import Expected

_ROOT: Final = Path(__file__).parents[2]
_LOOK_SECONDS: Final = 0.02
#: Of the source; what is committed before is not timed.
_WARM_SHARE: Final = 0.4
_START_SECONDS: Final = 90


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that does the small job.

    Attributes:
        name: in the table.
        guarantee: ``exactly once`` or ``at least once``.
        command: given a directory of the run's own; called once a run.
        note: what it is, for the table.
        share: of the source records that it is given; less for the slow.
        changelog: its name; braces stand for the run and the source.
        makes_changelog: whether it makes that topic by itself.
    """

    name: str
    guarantee: str
    command: Callable[[Path], list[str]]
    note: str = ""
    share: float = 1.0
    changelog: str = "{run}-checkouts-changelog"
    makes_changelog: bool = False


class Arena:
    """A broker with source topics, for one run after the other."""

    def __init__(
        self,
        settings: Settings,
        brokers: list[int],
        *,
        events: int,
        partitions: int = 8,
        warm_share: float = _WARM_SHARE,
    ) -> None:
        """``brokers``: their pids, as far as they are known."""
        self.settings = settings
        self.partitions = partitions
        self._brokers = brokers
        self._warm_share = warm_share
        self._records = traffic(events)
        self._sources: dict[int, tuple[str, Expected]] = {}
        self._cluster = Cluster(settings)

    def source(self, share: float) -> tuple[str, Expected, int]:
        """A source topic with a share of the records, what must come of it, and their number."""
        count = int(len(self._records) * share)
        if count not in self._sources:
            name = f"source-{uuid.uuid4().hex[:8]}-{count}"
            self.create({name: {}})
            records = self._records[:count]
            fill(producer_config(self.settings), name, records)
            self._sources[count] = name, expected(records)
        return *self._sources[count], count

    def run(self, peer: Peer, *, commit_ms: int = 100, limit_seconds: float = 240) -> Run:
        """One run, checked.

        Raises:
            WrongRunError: it ended, hung, or did the wrong thing.
        """
        source, wanted, count = self.source(peer.share)
        run = f"r{uuid.uuid4().hex[:8]}"
        names = Names(
            self.settings.bootstrap_servers,
            run,
            source,
            f"{run}-events",
            f"{run}-facts",
            peer.guarantee,
            self.partitions,
            commit_ms,
        )
        changelog = peer.changelog.format(run=run, source=source)
        topics: dict[str, dict[str, str]] = {names.events: {}, names.facts: {}}
        if not peer.makes_changelog:
            topics[changelog] = {"cleanup.policy": "compact"}
        self.create(topics)
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder, started(peer, names, Path(folder)) as child:
            seconds, before, after, counted = self._watch(child, names, count, limit_seconds)
            resident = resident_bytes(child.popen.pid)
        check(
            client_config(self.settings),
            wanted,
            events=names.events,
            facts=names.facts,
            changelog=changelog,
        )
        self.forget([names.events, names.facts, changelog])
        return Run(
            value=counted / seconds,
            cpu_microseconds=1e6 * (after.contender - before.contender) / counted,
            resident_megabytes=resident / 1e6,
            others=after.others_since(before) / (seconds * (os.cpu_count() or 1)),
            load_average=load,
            more={"broker_microseconds": 1e6 * (after.beside - before.beside) / counted},
        )

    def _watch(
        self, child: Child, names: Names, count: int, limit_seconds: float
    ) -> tuple[float, Meter, Meter, int]:
        """Seconds, meters before and after, and records of the timed part."""
        with Positions(client_config(self.settings), names.run) as group:

            def wait(wanted: int, seconds: float) -> int:
                deadline = time.monotonic() + seconds
                while (done := group.committed(names.source)) < wanted:
                    if child.popen.poll() is not None:
                        raise WrongRunError(f"it ended: {child.last_words()}")
                    if time.monotonic() > deadline:
                        raise WrongRunError(f"{done} of {count} committed in time")
                    time.sleep(_LOOK_SECONDS)
                return done

            if self._warm_share:
                wait(1, _START_SECONDS)
            begun = wait(int(count * self._warm_share), limit_seconds)
            started = time.monotonic()
            before = Meter.read([child.popen.pid], self._brokers)
            if begun >= count:
                raise WrongRunError(f"{count} records are too few: it was done at once")
            done = wait(count, limit_seconds)
            seconds = time.monotonic() - started
            after = Meter.read([child.popen.pid], self._brokers)
            if done != count:
                raise WrongRunError(f"committed {done}, but there are {count} records")
            return seconds, before, after, count - begun

    def create(self, topics: dict[str, dict[str, str]]) -> None:
        """Make topics with these configurations and as many partitions as the source."""
        self._cluster.create(
            [NewTopic(name, self.partitions, 1, config=config) for name, config in topics.items()]
        )

    def forget(self, topics: list[str]) -> None:
        """Delete topics: the next run has the disk to itself."""
        for request in self._cluster.admin.delete_topics(topics).values():
            request.result(30)


@dataclass(frozen=True, slots=True)
class Child:
    popen: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return f"exit {self.popen.returncode}, {' | '.join(lines[-4:])}"


@contextmanager
def started(
    peer: Peer, names: Names, folder: Path, more: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """The contender at work, on its core; its log is in the folder."""
    log = folder / "log"
    work = folder / "work"
    work.mkdir()
    command = peer.command(work)
    with log.open("wb") as output, on_core(cores()[0]):
        popen = subprocess.Popen(
            command,
            env={**os.environ, **names.environment(), **(more or {}), "TMPDIR": str(work)},
            cwd=_ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        yield Child(popen, log)
    finally:
        popen.kill()
        popen.wait()


def python_module(name: str, interpreter: str = sys.executable) -> Callable[[Path], list[str]]:
    """The command of a contender in Python."""
    return lambda _folder: [interpreter, "-m", f"tests.bench.peers.{name}"]
