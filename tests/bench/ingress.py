"""Measures ingresses on one core, side by side in one run: verified webhooks a second, and delays.

    python -m tests.bench.ingress [--seconds 10] [--repeats 3] [--brokers 3] [--freeze 4] [--write]

The load (``load.py``) is thousands of distinct tokens, as fast as 64 and as 256 connections get
answers, and then half of what 256 got. Each server has core 0 with all its threads; Kafka and the
load share the last one. A run counts only if every webhook that was answered 200 is in the topic,
and nothing is in there that was not posted, to the byte.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.adapters.kafka import client_config
from streams.adapters.reading import read_to_end
from streams.adapters.topics import SOURCE, apply_topics
from streams.config import load_settings
from streams.demo.kafka import EmbeddedKafka, KafkaCluster
from streams.demo.kafka.broker import Jvm, free_port
from tests.bench.harness.processes import Meter, cores, on_core, resident_bytes
from tests.bench.harness.report import Report
from tests.bench.harness.runs import Contender, Run, WrongRunError, in_turns
from tests.bench.load import Attack, Figures, find_vegeta, write_targets
from tests.bench.roster import PEERS, peers_python
from tests.support.node import NODE, environment, installed
from tests.support.services import environment as service_environment
from tests.support.services import status, wait_until
from tests.support.signing import public_pem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.config import Settings

REPORT: Final = Report(
    name="ingress",
    title="One ingress on one core",
    unit="webhooks/s, 256 connections",
    each="webhook",
    about=(
        (
            "Verify an RS256 token of 3 kB, parse its three layers, produce with acks=all, answer "
            "200 when Kafka has it. Delays in milliseconds. The bare loop has no server: the limit."
        ),
    ),
    more={
        "at_64": "64 connections: webhooks/s",
        "p50_64": "p50",
        "p99_64": "p99",
        "p50_256": "256 connections: p50",
        "p99_256": "p99",
        "p50_half": "at half load: p50",
        "p99_half": "p99",
    },
)
_ROOT: Final = Path(__file__).parents[2]
_NONE: Final = dict.fromkeys(REPORT.more, 0.0)
Environment = dict[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """A program that takes webhooks: its command and environment, given a port and a topic."""

    name: str
    note: str
    command: Callable[[], list[str]]
    environment: Callable[[Settings, Path, int], Environment]


def _ours(settings: Settings, key: Path, port: int) -> Environment:
    more = {"WIX_PUBLIC_KEYS": str(key), "INGRESS_PORT": str(port), "LOG_LEVEL": "warning"}
    return service_environment(settings, **more, METRICS_PORT=str(free_port()))


def _theirs(settings: Settings, key: Path, port: int) -> Environment:
    return environment(
        BENCH_BOOTSTRAP=settings.bootstrap_servers.split(",")[0],
        BENCH_SOURCE=settings.topic(SOURCE),
        BENCH_KEY=str(key),
        BENCH_PORT=str(port),
    )


def _node() -> list[str]:
    folder = installed(PEERS / "node")
    (folder / "server.mjs").write_bytes((PEERS / "node" / "server.mjs").read_bytes())
    return [str(NODE), str(folder / "server.mjs")]


SERVERS: Final = (
    Server(
        "ours", "granian, metrics on", lambda: [sys.executable, "-m", "streams", "ingress"], _ours
    ),
    Server("Node", "fastify, fast-jwt, @platformatic/kafka", _node, _theirs),
    Server(
        "the usual Python",
        "FastAPI, uvicorn, PyJWT, aiokafka",
        lambda: [peers_python(), "-m", "tests.bench.peers.usual_ingress"],
        _theirs,
    ),
)


class Gate:
    """A cluster, the targets, and runs against one server after the other."""

    def __init__(
        self, kafka: EmbeddedKafka | KafkaCluster, folder: Path, *, seconds: float, tokens: int
    ) -> None:
        self._bootstrap = kafka.bootstrap_servers
        self._brokers = (
            [kafka.pid]
            if isinstance(kafka, EmbeddedKafka)
            else [broker.pid for broker in kafka.brokers]
        )
        self._folder = folder
        self._seconds = seconds
        self._vegeta = find_vegeta()
        self._key = folder / "app.pem"
        self._key.write_text(public_pem())
        self._port = free_port()  # the same for all, for it stands in the targets
        self._targets = folder / "targets"
        url = f"http://127.0.0.1:{self._port}/webhooks/wix"
        self._events = set(write_targets(self._targets, url, tokens))

    def run(self, server: Server, *, pairs: tuple[int, int] = (64, 256)) -> Run:
        """One run, checked.

        Raises:
            WrongRunError: it answered something else than 200, or Kafka has something else.
        """
        settings = self._settings()
        load = os.getloadavg()[0]
        with self._running(server, settings) as pid:
            attack = Attack(self._vegeta, self._targets, pid)
            attack.run("warming up", 2, rate=500)
            warm = self._stored(settings)
            before, started = Meter.read([pid], self._brokers), time.monotonic()
            few, many = (attack.run(f"{number}", self._seconds, workers=number) for number in pairs)
            half = attack.run("half", self._seconds, rate=int(many.answered_200_per_second / 2))
            others = _share(before, Meter.read([pid], self._brokers), started)
            resident = resident_bytes(pid)
            self._check(settings, warm, [few, many, half])
        return Run(
            value=many.answered_200_per_second,
            cpu_microseconds=many.ingress_cpu_microseconds,
            resident_megabytes=resident / 1e6,
            others=others,
            load_average=load,
            more={
                "at_64": few.answered_200_per_second,
                "p50_64": few.p50,
                "p99_64": few.p99,
                "p50_256": many.p50,
                "p99_256": many.p99,
                "p50_half": half.p50,
                "p99_half": half.p99,
            },
        )

    def bare(self) -> Run:
        """The loop without a server."""
        settings = self._settings()
        load, started = os.getloadavg()[0], time.monotonic()
        before = Meter.read([], self._brokers)
        env = {
            **_theirs(settings, self._key, 0),
            "BENCH_TARGETS": str(self._targets),
            "BENCH_SECONDS": str(self._seconds),
        }
        with on_core(cores()[0]):
            answer = subprocess.run(
                [sys.executable, "-m", "tests.bench.peers.bare_ingress"],
                env=env,
                cwd=_ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
        others = _share(before, Meter.read([], self._brokers), started)
        if answer.returncode:
            raise WrongRunError(answer.stderr[-500:])
        said = json.loads(answer.stdout)
        if self._stored(settings) != said["done"]:
            raise WrongRunError(f"{said['done']} done, {self._stored(settings)} in the topic")
        return Run(
            value=said["done"] / said["seconds"],
            cpu_microseconds=1e6 * said["cpu"] / said["done"],
            resident_megabytes=0,
            others=others,
            load_average=load,
            more=dict(_NONE),
        )

    def frozen(self, kafka: EmbeddedKafka, freeze: float) -> Figures:
        """Ours at a rate, with the broker frozen in between: who waits is told in time."""
        settings = self._settings()
        with self._running(SERVERS[0], settings) as pid:
            attack = Attack(self._vegeta, self._targets, pid)
            attack.run("warming up", 2, rate=500)
            freezer = subprocess.Popen(
                [
                    *("sh", "-c", 'sleep "$1"; kill -STOP "$3"; sleep "$2"; kill -CONT "$3"'),
                    *("freeze", str(self._seconds / 2), str(freeze), str(kafka.pid)),
                ]
            )
            figures = attack.run("frozen", self._seconds + freeze, rate=1500, workers=4000)
            freezer.wait()
        return figures

    def _settings(self) -> Settings:
        settings = load_settings(
            bootstrap_servers=self._bootstrap, topic_prefix=f"i{uuid.uuid4().hex[:8]}."
        )
        apply_topics(settings, is_development=True)
        return settings

    @contextmanager
    def _running(self, server: Server, settings: Settings) -> Iterator[int]:
        command = server.command()
        log = self._folder / "log"
        with log.open("wb") as output, on_core(cores()[0]):
            popen = subprocess.Popen(
                command,
                env=server.environment(settings, self._key, self._port),
                cwd=_ROOT,
                stdout=output,
                stderr=output,
            )
        url = f"http://127.0.0.1:{self._port}/readyz"
        try:
            wait_until(lambda: status(url) == 200, 60, log.read_text)
            yield popen.pid
        finally:
            popen.terminate()
            try:
                popen.wait(15)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()

    def _stored(self, settings: Settings) -> int:
        return sum(1 for _ in read_to_end(client_config(settings), settings.topic(SOURCE)))

    def _check(self, settings: Settings, before: int, figures: list[Figures]) -> None:
        accepted = sum(one.answers.get("200", 0) for one in figures)
        others = {code for one in figures for code in one.answers} - {"200", "503"}
        if others:
            raise WrongRunError(
                f"answers other than 200 and 503: {[one.answers for one in figures]}"
            )
        stored = 0
        for message in read_to_end(client_config(settings), settings.topic(SOURCE)):
            stored += 1
            if message.value() not in self._events:
                raise WrongRunError("the topic holds something that was not posted")
        if stored - before < accepted:
            raise WrongRunError(f"{accepted} webhooks answered 200, {stored - before} in the topic")


def _share(before: Meter, after: Meter, started: float) -> float:
    """Of the machine, spent by those who have nothing to do with the run."""
    return after.others_since(before) / ((time.monotonic() - started) * (os.cpu_count() or 1))


def main() -> int:
    """Run it and print the table; 1 if a run was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=5000)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--only", help="servers whose names have this text")
    parser.add_argument("--freeze", type=float, default=0, help="seconds to freeze Kafka for")
    parser.add_argument("--write", action="store_true", help="into docs/performance as well")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        on_core(cores()[-1]),
        _cluster(arguments.brokers) as kafka,
    ):
        gate = Gate(
            kafka,
            Path(name),
            seconds=arguments.seconds,
            tokens=arguments.tokens,
        )
        contenders = [
            Contender(server.name, server.note, partial(gate.run, server)) for server in SERVERS
        ]
        contenders.append(Contender("bare loop", "no server", gate.bare))
        results = in_turns(
            [one for one in contenders if (arguments.only or "") in one.name], arguments.repeats
        )
        print("\n".join(REPORT.table(results)))  # noqa: T201  # its output
        if arguments.write:
            REPORT.write(results)
        if arguments.freeze and isinstance(kafka, EmbeddedKafka):
            print(gate.frozen(kafka, arguments.freeze))  # noqa: T201
    return 1 if any(result.refused for result in results) else 0


def _cluster(brokers: int) -> EmbeddedKafka | KafkaCluster:
    jvm = Jvm(512, is_fast=True)
    return EmbeddedKafka(jvm=jvm) if brokers == 1 else KafkaCluster(jvm=jvm)


if __name__ == "__main__":
    sys.exit(main())
