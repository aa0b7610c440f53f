"""Measures ingresses on one core, side by side in one run: verified webhooks a second, and delays.

    python -m tests.bench.ingress [--seconds 10] [--repeats 3] [--brokers 3] [--write]

The load is thousands of distinct tokens, as fast as 64 and as 256 connections get answers, and
then half of what 256 got. A run counts only if every webhook that was answered 200 is in the topic,
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
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.demo.kafka import EmbeddedKafka, KafkaCluster
from streams.demo.kafka.broker import Jvm
from tests.bench.gate import Gate, Place, Server
from tests.bench.harness.processes import Meter, cores, on_core, resident_bytes
from tests.bench.harness.report import Report
from tests.bench.harness.runs import Contender, Run, WrongRunError, in_turns
from tests.bench.roster import PEERS, peers_python
from tests.support.node import NODE, environment, installed
from tests.support.services import environment as service_environment

if TYPE_CHECKING:
    from tests.bench.gate import Environment

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
_CONNECTIONS: Final = (64, 256)
_WARM_SECONDS: Final = 10


def _our_environment(place: Place) -> Environment:
    return service_environment(
        place.settings,
        WIX_PUBLIC_KEYS=str(place.wix_key),
        INGRESS_PORT=str(place.port),
        METRICS_PORT=str(place.metrics_port),
        LOG_LEVEL="warning",
    )


def _environment_with_tls(place: Place) -> Environment:
    return {**_our_environment(place), "BENCH_CERTIFICATE": str(place.certificate)}


def _their_environment(place: Place) -> Environment:
    return environment(
        BENCH_BOOTSTRAP=place.settings.bootstrap_servers.split(",")[0],
        BENCH_SOURCE=place.settings.topic("wix.abandoned-checkouts.v1"),
        BENCH_KEY=str(place.wix_key),
        BENCH_PORT=str(place.port),
    )


def _node() -> list[str]:
    folder = installed(PEERS / "node")
    (folder / "server.mjs").write_bytes((PEERS / "node" / "server.mjs").read_bytes())
    return [str(NODE), str(folder / "server.mjs")]


OURS: Final = Server(
    "ours",
    "uvloop, httptools; metrics on",
    lambda: [sys.executable, "-m", "streams", "ingress"],
    _our_environment,
    has_metrics=True,
)
SERVERS: Final = (
    OURS,
    replace(
        OURS,
        name="ours, with TLS",
        note="ended on the same core",
        command=lambda: [sys.executable, "-m", "tests.bench.peers.tls_ingress"],
        environment=_environment_with_tls,
        has_tls=True,
    ),
    Server("Node", "fastify, fast-jwt, @platformatic/kafka", _node, _their_environment),
    Server(
        "the usual Python",
        "FastAPI, uvicorn, PyJWT, aiokafka",
        lambda: [peers_python(), "-m", "tests.bench.peers.usual_ingress"],
        _their_environment,
    ),
)


def run(gate: Gate, server: Server, *, seconds: float) -> Run:
    """One run, checked.

    Raises:
        WrongRunError: it answered something else than 200 and 503, or Kafka has something else.
    """
    settings = gate.settings()
    load = os.getloadavg()[0]
    with gate.attacking(server, settings) as attack:
        warm, pid = gate.stored(settings), attack.ingress_pid
        before, started = Meter.read([pid], gate.brokers), time.monotonic()
        few, many = (attack.run(f"{number}", seconds, workers=number) for number in _CONNECTIONS)
        half = attack.run(
            "half", seconds, rate=int(many.answered_200_per_second / 2), workers=_CONNECTIONS[-1]
        )
        others = _share(before, Meter.read([pid], gate.brokers), started)
        resident = resident_bytes(pid)
        gate.check(settings, warm, [few, many, half])
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


def bare(gate: Gate, *, seconds: float) -> Run:
    """The loop without a server."""
    settings = gate.settings()
    load, started = os.getloadavg()[0], time.monotonic()
    before = Meter.read([], gate.brokers)
    env = {
        **_their_environment(Place(settings, gate.wix_key, gate.wix_key, 0, 0)),
        "BENCH_TARGETS": str(gate.targets),
        "BENCH_SECONDS": str(seconds),
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
    others = _share(before, Meter.read([], gate.brokers), started)
    if answer.returncode:
        raise WrongRunError(answer.stderr[-500:])
    said = json.loads(answer.stdout)
    if (stored := gate.stored(settings)) != said["done"]:
        raise WrongRunError(f"{said['done']} done, {stored} in the topic")
    return Run(
        value=said["done"] / said["seconds"],
        cpu_microseconds=1e6 * said["cpu"] / said["done"],
        resident_megabytes=0,
        others=others,
        load_average=load,
        more=dict(_NONE),
    )


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
    parser.add_argument("--write", action="store_true", help="into docs/performance as well")
    arguments = parser.parse_args()
    report = (
        REPORT
        if arguments.brokers == 1
        else replace(REPORT, name="ingress-3-brokers", title=f"{REPORT.title}, three brokers")
    )
    with (
        tempfile.TemporaryDirectory() as name,
        on_core(cores()[-1]),
        cluster(arguments.brokers) as kafka,
    ):
        gate = Gate(kafka, Path(name), tokens=arguments.tokens)
        for _ in range(arguments.brokers):  # Java has compiled most of a broker after that
            bare(gate, seconds=_WARM_SECONDS)
        contenders = [
            Contender(
                server.name, server.note, partial(run, gate, server, seconds=arguments.seconds)
            )
            for server in SERVERS
        ]
        contenders.append(
            Contender("bare loop", "no server", partial(bare, gate, seconds=arguments.seconds))
        )
        results = in_turns(
            [one for one in contenders if (arguments.only or "") in one.name], arguments.repeats
        )
        print("\n".join(report.table(results)))  # noqa: T201  # its output
        if arguments.write:
            report.write(results)
    return 1 if any(result.refused for result in results) else 0


def cluster(brokers: int) -> EmbeddedKafka | KafkaCluster:
    """One broker, or three."""
    jvm = Jvm(512, is_fast=True)
    return EmbeddedKafka(jvm=jvm) if brokers == 1 else KafkaCluster(jvm=jvm)


if __name__ == "__main__":
    sys.exit(main())
