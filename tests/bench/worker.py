"""Measures workers on one core, side by side in one run.

    python -m tests.bench.worker [--events 100000] [--repeats 3] [--only NAME] [--write]

First the small job (``peers/job.py``): our runtime and its peers do the very same. Then the
product whole: both agents with the full law, beside the same law on stock Faust. Each has core 0
with all its threads, the broker the last one. Nothing is printed of a run that failed its check.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.config import load_settings
from streams.demo.kafka import EmbeddedKafka
from streams.demo.kafka.broker import Jvm
from tests.bench import roster
from tests.bench.contest import Arena
from tests.bench.harness.processes import cores, on_core
from tests.bench.harness.report import Report
from tests.bench.harness.runs import Contender, Result, in_turns
from tests.bench.product import OURS, STOCK, Product

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL: Final = Report(
    name="worker-small-job",
    title="One worker on one core: the small job",
    unit="events/s",
    each="event",
    about=(
        (
            "Everybody does the job of `tests/bench/peers/job.py` to the same 2.3 kB events of "
            "simulated shops: decode, a state per checkout with changelog, an announcement and a "
            "fact in the same transaction, commits every 100 ms."
        ),
    ),
    more={"broker_microseconds": "broker's and harness's CPU µs/event"},
)
PRODUCT: Final = Report(
    name="worker-product",
    title="One worker on one core: the whole product",
    unit="events/s",
    each="event",
    about=(
        (
            "Both agents with the full law, metrics on; beside them the same law in the agent "
            "`track-checkouts` of stock Faust, without the rates."
        ),
    ),
    more={
        "broker_microseconds": "broker's and harness's CPU µs/event",
        "stored_bytes": "bytes in Kafka/event",
    },
)


def main() -> int:
    """Run it and print the tables; 1 if a run was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="of the small job")
    parser.add_argument("--product-events", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--commit-ms", type=int, default=100)
    parser.add_argument("--only", help="contenders whose names have this text")
    parser.add_argument("--part", choices=("all", "small", "product"), default="all")
    parser.add_argument("--write", action="store_true", help="into docs/performance as well")
    arguments = parser.parse_args()
    results: list[Result] = []
    with (
        tempfile.TemporaryDirectory() as name,
        on_core(cores()[-1]),
        EmbeddedKafka(data := Path(name), jvm=Jvm(1024, is_fast=True)) as kafka,
    ):
        if arguments.part != "product":
            results += _small(kafka, arguments)
        if arguments.part != "small":
            product = Product(kafka, data, events=arguments.product_events)
            results += _product(product, arguments)
    return 1 if any(result.refused for result in results) else 0


def _small(kafka: EmbeddedKafka, arguments: argparse.Namespace) -> list[Result]:
    settings = load_settings(bootstrap_servers=kafka.bootstrap_servers)
    arena = Arena(settings, [kafka.pid], events=arguments.events)
    peers = [peer for peer in roster.ALL if (arguments.only or "") in peer.name]
    contenders = [
        Contender(peer.name, peer.note, partial(arena.run, peer, commit_ms=arguments.commit_ms))
        for peer in peers
    ]
    return _done(SMALL, contenders, arguments)


def _product(product: Product, arguments: argparse.Namespace) -> list[Result]:
    contenders = [
        Contender(team.name, team.note, partial(product.run, team))
        for team in (OURS, STOCK)
        if (arguments.only or "") in team.name
    ]
    return _done(PRODUCT, contenders, arguments)


def _done(
    report: Report, contenders: Sequence[Contender], arguments: argparse.Namespace
) -> list[Result]:
    results = in_turns(contenders, arguments.repeats)
    print("\n".join(report.table(results)))  # noqa: T201  # its output
    if arguments.write:
        report.write(results)
    return results


if __name__ == "__main__":
    sys.exit(main())
