"""Measures the agents' own work, without Kafka: CPU for each event and fact, and where it goes.

    python -m tests.bench.agents [--events 2500] [--repeats 6] [--profile]

Prints a digest of everything the agents gave and kept: an optimisation must not change it. Facts
reach the second agent four to a millisecond, as they would where a backlog is worked off. The
profile samples the stack every millisecond of CPU time.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from streams.domain.law import Law
from streams.worker.measuring import Measuring
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Target
from streams.worker.tracking import Tracking
from tests.bench.traffic import traffic

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from streams.worker.records import Outgoing

#: The traffic's end, so that the same events come of it at any time.
_END: Final = datetime(2026, 11, 25, 14, tzinfo=UTC)
_FACTS_A_MILLISECOND: Final = 4
_SAMPLE_SECONDS: Final = 0.001
_SHOWN: Final = 40


def track(records: list[Incoming]) -> tuple[list[Outgoing], dict[bytes, bytes]]:
    """The first agent over the records; what it gave, and its table."""
    tracking, table = Tracking(Law(), WorkerMetrics()), dict[bytes, bytes]()
    return [made for record in records for made in tracking.process(record, table)], table


def measure(facts: list[Incoming]) -> tuple[list[Outgoing], dict[bytes, bytes]]:
    """The second agent over the facts; what it gave, and its table."""
    measuring, table = Measuring(Law(), WorkerMetrics()), dict[bytes, bytes]()
    return [made for fact in facts for made in measuring.process(fact, table)], table


def facts_of(made: list[Outgoing]) -> list[Incoming]:
    """The facts, as the second agent receives them."""
    start = int(_END.timestamp() * 1000)
    facts = [one for one in made if one.target is Target.FACTS]
    return [
        Incoming(
            one.target.value,
            0,
            number,
            one.key,
            one.value,
            [],
            start + number // _FACTS_A_MILLISECOND,
        )
        for number, one in enumerate(facts)
    ]


def digest(made: list[Outgoing], table: dict[bytes, bytes]) -> str:
    """Of all records but their trace, which is random, and of the table."""
    found = hashlib.sha256()
    for one in made:
        headers = [pair for pair in one.headers if pair[0] != "traceparent"]
        found.update(repr((one.target.value, one.key, one.value, headers)).encode())
    for key in sorted(table):
        found.update(key + table[key])
    return found.hexdigest()[:16]


class Sampler:
    """Counts, for each line on the stack, the samples in which it was running or waiting."""

    def __init__(self) -> None:
        self.samples = 0
        self.lines: Counter[str] = Counter()

    def __call__(self, _number: int, frame: FrameType | None) -> None:
        self.samples += 1
        lines = set()
        while frame is not None:
            code = frame.f_code
            lines.add(f"{code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno} {code.co_name}")
            frame = frame.f_back
        self.lines.update(lines)

    def table(self) -> list[str]:
        return [
            f"{count / self.samples:6.1%}  {line}" for line, count in self.lines.most_common(_SHOWN)
        ]


def sampled(work: Callable[[], object], repeats: int) -> list[str]:
    """The profile of some repeats."""
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler)
    signal.setitimer(signal.ITIMER_PROF, _SAMPLE_SECONDS, _SAMPLE_SECONDS)
    try:
        for _ in range(repeats):
            work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return sampler.table()


def best_of(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the quickest repeat: the others were disturbed."""
    found = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def main() -> int:
    """Run it and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2500)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    records = traffic(arguments.events, end=_END)
    facts = facts_of(track(records)[0])
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as the runtime
    for name, work, count in (
        ("track-checkouts", partial(track, records), len(records)),
        ("measure-conversion", partial(measure, facts), len(facts)),
    ):
        seconds = best_of(work, arguments.repeats)
        given, kept = work()
        print(  # noqa: T201  # its output
            f"{name:20} {1e6 * seconds / count:7.1f} µs   {count} in, {len(given)} out   "
            f"{digest(given, kept)}"
        )
        if arguments.profile:
            print("\n".join(sampled(work, arguments.repeats)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
