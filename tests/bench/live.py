"""Measures what open pages cost an API process, with many sites, under traffic.

    python -m tests.bench.live [--sites 10000] [--rate 200] [--pages 20] [--seconds 30]

A real API process on a real Kafka, SQLite in the process, so that its queries count too. In the
place of ingress and workers stands a process that does their work in memory and writes what they
would write, for two cores are few. Pages are readers of a third process: each listens, and asks
what the page asks, as often as it does. The API's CPU time is the kernel's; it is measured without
pages, with them, and without them again, in the same run, under the same traffic.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import httpx
from confluent_kafka import Producer

from streams.adapters.errors import InvalidMessage
from streams.adapters.kafka import producer_config
from streams.adapters.source_topic import source_record
from streams.adapters.topics import CONVERSION, SOURCE, apply_topics
from streams.adapters.wix import OtherEvent, read_webhook
from streams.config import load_settings
from streams.demo.kafka import EmbeddedKafka
from streams.demo.simulator.platform import Options, Platform, steady
from streams.domain.events import Origin
from streams.domain.law import Law
from streams.worker.measuring import Measuring
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Target
from streams.worker.tracking import Tracking
from tests.support.api_process import TOKEN, api, fetch
from tests.support.databases import sqlite_database
from tests.support.services import wait_until

if TYPE_CHECKING:
    from streams.config import Settings
    from streams.demo.simulator.platform import Sending
    from streams.worker.records import Outgoing

_EXAMPLE: Final = (
    Path(__file__).parents[2] / "schemas/examples/checkout-recovery.conversion.v1/site.json"
)
_OVERVIEW_SECONDS: Final = 2.0
_DETAIL_SECONDS: Final = 15.0
_WINDOW: Final = "30d"
_PROMISE_CORES: Final = 0.25
_SETTLE_SECONDS: Final = 5.0
#: Webhooks of a simulated checkout, on average.
_OF_A_CHECKOUT: Final = 2.6


def main() -> int:
    """Run it; 1 if pages cost more than is promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    with EmbeddedKafka() as kafka, tempfile.TemporaryDirectory() as folder:
        settings = load_settings(bootstrap_servers=kafka.bootstrap_servers)
        apply_topics(settings, is_development=True, partitions=8)
        fill(settings, options.sites)
        database = sqlite_database(Path(folder))
        with api(settings, database, Path(folder) / "api.log") as (url, process):
            pid = process.popen.pid
            traffic = started(write, settings, options.sites, options.rate)
            time.sleep(_SETTLE_SECONDS)
            before = cores(pid, options.seconds)
            answers = multiprocessing.get_context("spawn").Value("q")
            looking = started(look, url, options.pages, answers)
            wait_until(lambda: answers.value >= options.pages, 60)
            answered = answers.value
            shared = cores(pid, options.seconds)
            answered = answers.value - answered
            operations = fetch(f"{url}/v1/operations").json
            told = fetch(f"{url}/v1/overview").json
            ended(looking)
            time.sleep(_SETTLE_SECONDS)
            after = cores(pid, options.seconds)
            ended(traffic)
    alone = (before + after) / 2
    print(  # noqa: T201  # its output
        f"{told['sites']} sites, {operations['events_in_per_second']:.0f} webhooks/s, "
        f"{options.pages} pages got {answered / options.seconds:.1f} answers/s, "
        f"load of the machine {os.getloadavg()[0]:.1f}\n"
        f"API without pages {before:.3f} and {after:.3f} cores, with them {shared:.3f}: "
        f"{shared - alone:.3f} for the pages"
    )
    looked = answered >= options.pages * options.seconds / _OVERVIEW_SECONDS / 2
    return 0 if looked and shared - alone < _PROMISE_CORES else 1


def fill(settings: Settings, sites: int) -> None:
    """Let every site have a record."""
    record = json.loads(_EXAMPLE.read_text())["value"]
    producer = Producer(producer_config(settings))
    for number in range(sites):
        record["instance_id"] = str(uuid.UUID(int=number))
        producer.produce(
            settings.topic(CONVERSION), json.dumps(record).encode(), record["instance_id"].encode()
        )
        producer.poll(0)
    assert producer.flush(60) == 0


def write(settings: Settings, sites: int, rate: float) -> None:
    """Do the work of ingress and workers, webhook by webhook, for ever."""
    start = datetime.now(UTC)
    random = Random(1)
    platform = Platform(Options(seed=1, sites=sites, pace=3600), start)
    workers = Workers(settings)
    begun = time.monotonic()
    instants = steady(random, start, rate / _OF_A_CHECKOUT)
    for number, sending in enumerate(platform.sendings(instants)):
        wait = begun + number / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        workers.take(sending)


class Workers:
    """Ingress and both agents in memory; what they publish goes to Kafka."""

    def __init__(self, settings: Settings) -> None:
        law = Law()
        self._settings = settings
        self._producer = Producer({**producer_config(settings), "linger.ms": 20})
        self._tracking = Tracking(law, WorkerMetrics())
        self._measuring = Measuring(law, WorkerMetrics())
        self._checkouts: dict[bytes, bytes] = {}
        self._cohorts: dict[bytes, bytes] = {}
        self._offsets: Counter[str] = Counter()

    def take(self, sending: Sending) -> None:
        """One webhook."""
        try:
            webhook = read_webhook({"data": sending.data})
        except InvalidMessage:
            return  # the simulator sends some of those too
        if isinstance(webhook, OtherEvent):
            return
        now = datetime.now(UTC)
        made = source_record(webhook, origin=Origin.WEBHOOK, received_at=now)
        self._send(SOURCE, made.key, made.value, [*made.headers])
        source = self._incoming(SOURCE, made.key, made.value, [*made.headers], now)
        self._publish(self._tracking.process(source, self._checkouts), now)

    def _publish(self, outgoing: list[Outgoing], now: datetime) -> None:
        for one in outgoing:
            self._send(one.target.value, one.key, one.value, one.headers)
            if one.target is Target.FACTS:
                fact = self._incoming(one.target.value, one.key, one.value, one.headers, now)
                self._publish([*self._measuring.process(fact, self._cohorts)], now)

    def _incoming(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Any, now: datetime
    ) -> Incoming:
        self._offsets[topic] += 1
        milliseconds = int(now.timestamp() * 1000)
        return Incoming(topic, 0, self._offsets[topic], key, value, headers, milliseconds)

    def _send(self, topic: str, key: bytes | None, value: bytes | None, headers: Any) -> None:
        self._producer.produce(self._settings.topic(topic), value, key, headers=headers)
        self._producer.poll(0)


def look(url: str, pages: int, answers: Any) -> None:
    """Be so many pages, for ever, and count what they are answered."""

    async def all_of_them() -> None:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
            signed_in = await client.post("/session", json={"token": TOKEN})
            signed_in.raise_for_status()
            await asyncio.gather(*(page(client, answers) for _ in range(pages)))

    asyncio.run(all_of_them())


async def page(client: httpx.AsyncClient, answers: Any) -> None:
    """Listen, and ask what the page asks."""

    async def ask(address: str) -> None:
        (await client.get(address)).raise_for_status()
        answers.value += 1

    overview_at = detail_at = -float("inf")
    async with client.stream("GET", "/v1/live") as stream:
        async for line in stream.aiter_lines():
            if line != "event: overview":
                continue
            now = time.monotonic()
            if now >= overview_at + _OVERVIEW_SECONDS:
                overview_at = now
                await ask("/v1/overview")
            if now >= detail_at + _DETAIL_SECONDS:
                detail_at = now
                await ask(f"/v1/overview/series?window={_WINDOW}")
                await ask(f"/v1/overview/recovery-times?window={_WINDOW}")
                await ask("/v1/overview/recent")


def started(target: Any, *arguments: Any) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(
        target=target, args=arguments, daemon=True
    )
    process.start()
    return process


def ended(process: multiprocessing.process.BaseProcess) -> None:
    assert process.is_alive(), "it has ended before its time: nothing was measured"
    process.terminate()
    process.join(10)


def cores(pid: int, seconds: float) -> float:
    """CPU seconds a second of a process."""
    before, begun = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - begun)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
