"""Measures how the product scales: 1, 2 and 4 workers on 8 and 64 partitions.

    python -m tests.bench.scale [--events 30000] [--repeats 2] [--write]

Nothing is pinned: workers, broker and harness share all cores, as on a machine that has no others.
Where the machine is busy to the full, it is the limit, and more workers only show what they cost.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from streams.demo.kafka import EmbeddedKafka
from streams.demo.kafka.broker import Jvm
from tests.bench.harness.report import Report
from tests.bench.harness.runs import Contender, in_turns
from tests.bench.product import Product, Team, ours

REPORT: Final = Report(
    name="scale",
    title="Workers and partitions",
    unit="events/s",
    each="event",
    about=(
        (
            "The product whole, exactly once. All share the machine's cores: where it is busy "
            "to the full, it is the limit."
        ),
    ),
    more={
        "broker_microseconds": "broker's and harness's CPU µs/event",
        "busy_percent": "machine busy, %",
    },
)


def main() -> int:
    """Run it and print the table; 1 if a run was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--partitions", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--write", action="store_true", help="into docs/performance as well")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedKafka(data := Path(folder), jvm=Jvm(1024, is_fast=True)) as kafka,
    ):
        product = Product(kafka, data, events=arguments.events)
        contenders = []
        for partitions in arguments.partitions:
            for workers in arguments.workers:
                name = f"{workers} workers, {partitions} partitions"
                run = partial(
                    product.run,
                    Team(name, ours, workers=workers),
                    partitions=partitions,
                    pinned=False,
                )
                contenders.append(Contender(name, "", run))
        results = in_turns(contenders, arguments.repeats)
        print("\n".join(REPORT.table(results)))  # noqa: T201  # its output
        if arguments.write:
            REPORT.write(results)
    return 1 if any(result.refused for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
