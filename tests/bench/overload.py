"""Shows how the ingress answers when it can't keep up: at three times its load, and without Kafka.

    python -m tests.bench.overload [--times 20] [--seconds 10] [--freeze 4] [--write]

Webhooks come as Wix sends them: each at its own time, whatever became of those before; who was
refused does not come again before a minute has passed. First at three times of what the ingress
can do, then with the only broker frozen in the middle. Five busy neighbours share the ingress's
core while it is overloaded: with fewer, the load generator is late itself, and its own delay is in
its figures. A run counts only if every webhook that was answered 200 is in the topic.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.demo.kafka import EmbeddedKafka
from streams.demo.kafka.broker import Jvm
from tests.bench.gate import Gate
from tests.bench.harness.processes import Meter, cores, on_core, resident_bytes
from tests.bench.harness.report import Report
from tests.bench.harness.runs import Contender, Run, in_turns
from tests.bench.ingress import OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.load import Attack, Figures

REPORT: Final = Report(
    name="overload",
    title="The ingress when it can't keep up",
    unit="latest answer of a run, ms",
    each="webhook",
    about=(
        (
            "Each run has webhooks of its own, at their own time. Wix waits 1250 ms. Goodput is "
            "what was answered 200, of the best that the ingress did just before."
        ),
    ),
    less_is_better=True,
    more={
        "late": "answers after 1250 ms",
        "asked": "webhooks/s",
        "good": "goodput, % of its best",
        "refused": "503, %",
        "p99": "p99, ms",
        "grown": "memory grown by, MB",
    },
)
_OVERLOAD: Final = 3
_NEIGHBOURS: Final = 5
_BEST_CONNECTIONS: Final = 256
#: Connections that the load may open; more than the ingress lets in.
_MOST_CONNECTIONS: Final = 4000
_FROZEN_RATE: Final = 1500
_BUSY: Final = "while True: pass"


@contextmanager
def neighbours(count: int) -> Iterator[list[int]]:
    """Processes that want all of the ingress's core; their pids."""
    with on_core(cores()[0]):
        busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield [one.pid for one in busy]
    finally:
        for one in busy:
            one.kill()
            one.wait()


def overloaded(gate: Gate, *, seconds: float) -> Run:
    """Three times of what it can do.

    Raises:
        WrongRunError: an answer is neither 200 nor 503, or what was answered 200 is not in Kafka.
    """
    with neighbours(_NEIGHBOURS) as pids:

        def run(attack: Attack) -> tuple[Figures, float]:
            best = attack.run("best", seconds, workers=_BEST_CONNECTIONS)
            rate = int(_OVERLOAD * best.answered_200_per_second)
            figures = attack.run("overload", seconds, rate=rate, workers=_MOST_CONNECTIONS)
            return figures, best.answered_200_per_second

        return _watched(gate, run, [*gate.brokers, *pids])


def frozen(gate: Gate, kafka: EmbeddedKafka, *, seconds: float, freeze: float) -> Run:
    """The broker stands still in the middle."""

    def run(attack: Attack) -> tuple[Figures, float]:
        freezer = subprocess.Popen(
            [
                *("sh", "-c", 'sleep "$1"; kill -STOP "$3"; sleep "$2"; kill -CONT "$3"'),
                *("freeze", str(seconds / 2), str(freeze), str(kafka.pid)),
            ]
        )
        figures = attack.run(
            "frozen", seconds + freeze, rate=_FROZEN_RATE, workers=_MOST_CONNECTIONS
        )
        freezer.wait()
        return figures, _FROZEN_RATE * seconds / (seconds + freeze)

    return _watched(gate, run, gate.brokers)


def _watched(gate: Gate, run: Callable[[Attack], tuple[Figures, float]], beside: list[int]) -> Run:
    settings = gate.settings()
    load = os.getloadavg()[0]
    with gate.attacking(OURS, settings) as attack:
        pid, warm = attack.ingress_pid, gate.stored(settings)
        resident, begun = resident_bytes(pid), time.monotonic()
        before = Meter.read([pid], beside)
        figures, best = run(attack)
        after, elapsed = Meter.read([pid], beside), time.monotonic() - begun
        grown = resident_bytes(pid) - resident
        gate.check(settings, warm, [figures])
    answers = sum(figures.answers.values())
    return Run(
        value=figures.worst,
        cpu_microseconds=figures.ingress_cpu_microseconds,
        resident_megabytes=(resident + grown) / 1e6,
        others=after.others_since(before) / (elapsed * (os.cpu_count() or 1)),
        load_average=load,
        more={
            "late": float(figures.late),
            "asked": figures.asked_per_second,
            "good": 100 * figures.answered_200_per_second / best,
            "refused": 100 * figures.answers.get("503", 0) / answers,
            "p99": figures.p99,
            "grown": grown / 1e6,
        },
    )


def main() -> int:
    """Run it and print the table; 1 if a run was refused, or an answer came too late."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--freeze", type=float, default=4, help="seconds to freeze Kafka for")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", help="kinds whose names have this text")
    parser.add_argument("--write", action="store_true", help="into docs/performance as well")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        on_core(cores()[-1]),
        EmbeddedKafka(jvm=Jvm(512, is_fast=True)) as kafka,
    ):
        gate = Gate(kafka, Path(name))
        seconds, freeze = arguments.seconds, arguments.freeze
        contenders = [
            Contender(
                f"{_OVERLOAD} x overload",
                f"on a {_NEIGHBOURS + 1}th of a core",
                partial(overloaded, gate, seconds=seconds),
            ),
            Contender(
                f"broker frozen for {freeze:.0f} s",
                f"{_FROZEN_RATE} webhooks/s",
                partial(frozen, gate, kafka, seconds=seconds, freeze=freeze),
            ),
        ]
        results = in_turns(
            [one for one in contenders if (arguments.only or "") in one.name], arguments.times
        )
        print("\n".join(REPORT.table(results)))  # noqa: T201  # its output
        if arguments.write:
            REPORT.write(results)
    late = any(run.more["late"] for result in results for run in result.runs)
    return 1 if late or any(result.refused for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
