"""Measures one worker on one core: source records a second, exactly once, both agents.

    python -m tests.bench.worker [--events 200000] [--repeats 3] [--json]

The simulator's webhooks (2.3 kB of JSON on average) are put on the source topic first. Then a
worker with all its threads on core 0 works them off, while the broker has core 1; the time runs
from its first commit to its last. A figure is printed only if every position is committed to the
end and the lifecycle events are as many as in the run before.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer

from streams.adapters.errors import InvalidMessage
from streams.adapters.kafka import client_config, producer_config
from streams.adapters.source_topic import source_record
from streams.adapters.topics import EVENTS, FACTS, GROUP, SOURCE, apply_topics
from streams.adapters.wix import OtherEvent, read_webhook
from streams.config import load_settings
from streams.demo.audit.log import lag
from streams.demo.kafka import EmbeddedKafka
from streams.demo.kafka.broker import Jvm
from streams.demo.simulator.platform import Options, Platform, past
from streams.domain.events import Origin
from tests.bench.ingress import count_records, cpu_seconds, on_core
from tests.support.services import Process, environment, wait_until

if TYPE_CHECKING:
    from streams.config import Settings

_LIMIT_SECONDS: Final = 300
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. Bytes are the mean of a source record's value."""

    events: int
    seconds: float
    per_second: float
    cpu_microseconds: float
    lifecycle_events: int
    mean_bytes: int


def main() -> int:
    """Run it and print a line each; 1 if the median is below 30,000 events a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    records = webhooks(arguments.events)
    figures = [measure(records) for _ in range(arguments.repeats)]
    if len({figure.lifecycle_events for figure in figures}) != 1:
        sys.stderr.write("the runs announced different numbers of events: no figure\n")
        return 1
    median = statistics.median(figure.per_second for figure in figures)
    if arguments.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))  # noqa: T201  # its output
    else:
        for figure in figures:
            print(  # noqa: T201  # its output
                f"{figure.per_second:8.0f} events/s   {figure.cpu_microseconds:5.1f} µs of CPU each"
                f"   {figure.events} events of {figure.mean_bytes} B, "
                f"{figure.lifecycle_events} announced"
            )
        print(f"{median:8.0f} events/s in the median")  # noqa: T201
    return 0 if median >= 30_000 else 1


Headers = list[tuple[str, bytes | None]]


def webhooks(count: int) -> list[tuple[bytes, bytes, Headers]]:
    """Source records of simulated shops, as the ingress would have written them."""
    now = datetime.now(UTC)
    platform = Platform(Options(seed=1, sites=200), now)
    found: list[tuple[bytes, bytes, Headers]] = []
    for sending in platform.sendings(past(Random(1), now, days=6, count=count)):
        try:
            webhook = read_webhook({"data": sending.data})
        except InvalidMessage:
            continue
        if isinstance(webhook, OtherEvent):
            continue
        record = source_record(webhook, origin=Origin.WEBHOOK, received_at=sending.at)
        found.append((record.key, record.value, [*record.headers]))
        if len(found) == count:
            break
    return found


def measure(records: list[tuple[bytes, bytes, Headers]]) -> Figures:
    """One worker on a new broker."""
    cores = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory() as name,
        on_core(cores[-1]),
        EmbeddedKafka(jvm=Jvm(1024, is_fast=True)) as kafka,
    ):
        settings = load_settings(bootstrap_servers=kafka.bootstrap_servers)
        apply_topics(settings, is_development=True)
        fill(settings, records)
        with on_core(cores[0]):
            env = environment(settings, WORKER_SLOT="0", LOG_FORMAT="json")
            worker = Process(["worker"], env, Path(name) / "log")
        try:
            return _watch(settings, worker, records)
        finally:
            worker.stop()


def fill(settings: Settings, records: list[tuple[bytes, bytes, Headers]]) -> None:
    """Put the records on the source topic."""
    producer = Producer({**producer_config(settings), "queue.buffering.max.messages": 200_000})
    for key, value, headers in records:
        while True:
            try:
                producer.produce(settings.topic(SOURCE), value, key, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def _watch(
    settings: Settings, worker: Process, records: list[tuple[bytes, bytes, Headers]]
) -> Figures:
    client, group, all_of_them = client_config(settings), settings.topic(GROUP), len(records)
    sources = [settings.topic(SOURCE)]
    wait_until(lambda: lag(client, group, sources) < all_of_them, 60, worker.text)
    started, left = time.monotonic(), lag(client, group, sources)
    child = int(Path(f"/proc/{worker.popen.pid}/task/{worker.popen.pid}/children").read_text())
    cpu = cpu_seconds(child)
    while lag(client, group, sources):
        if time.monotonic() - started > _LIMIT_SECONDS:
            raise SystemExit(f"not done after {_LIMIT_SECONDS} s:\n{worker.text()}")
        time.sleep(_LOOK_SECONDS)
    seconds = time.monotonic() - started
    cpu = cpu_seconds(child) - cpu
    wait_until(lambda: lag(client, group, [*sources, settings.topic(FACTS)]) == 0, 60, worker.text)
    return Figures(
        events=left,
        seconds=seconds,
        per_second=left / seconds,
        cpu_microseconds=1e6 * cpu / left,
        lifecycle_events=count_records(settings, EVENTS),
        mean_bytes=sum(len(value) for _, value, _ in records) // all_of_them,
    )


if __name__ == "__main__":
    sys.exit(main())
