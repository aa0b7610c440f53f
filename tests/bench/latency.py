"""Measures the delay from a webhook's receipt to its event in the hands of a subscriber.

    python -m tests.bench.latency [--rate 1200] [--seconds 10] [--commits 50 100 500] [--write]

Webhooks of new checkouts are posted to the running ingress at a steady rate; a subscriber that
reads committed records only notes when it is given ``checkout.abandoned``, and subtracts when the
ingress received the webhook (``recorded_at``, the same machine's clock). Nothing is pinned: worker,
ingress, Kafka, the load and the subscriber share what cores there are, so that none of two is idle
while the other is full. A run counts only if every webhook was answered 200 and announced once.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from confluent_kafka import Consumer, TopicPartition

from streams.adapters.kafka import client_config
from streams.adapters.topics import EVENTS, apply_topics
from streams.config import Settings, load_settings
from streams.demo.kafka import EmbeddedKafka
from streams.demo.kafka.broker import Jvm, free_port
from tests.bench.harness.processes import Meter, child_of, resident_bytes
from tests.bench.harness.report import Report
from tests.bench.harness.runs import Contender, Run, WrongRunError, in_turns
from tests.bench.load import Attack, find_vegeta, write_targets
from tests.support.services import Process, environment, status, wait_until
from tests.support.signing import public_pem

if TYPE_CHECKING:
    from collections.abc import Iterator

REPORT: Final = Report(
    name="latency",
    title="From a webhook's receipt to its event at a read_committed subscriber",
    unit="p50, ms",
    each="webhook",
    about=("Steady load; worker, ingress, Kafka, the load and the subscriber share all cores.",),
    less_is_better=True,
    more={
        "p90": "p90",
        "p99": "p99",
        "most": "most",
        "rate": "webhooks/s",
        "answer_p99": "the ingress's answer, p99",
    },
)
#: Of the webhooks; they are posted first and not counted.
_WARM_SECONDS: Final = 8
_PARTITIONS: Final = 8
_START_SECONDS: Final = 60


class _Announced(msgspec.Struct):
    abandoned_checkout_id: str
    recorded_at: datetime


@dataclass(slots=True)
class Subscriber:
    """Reads committed events in a thread: which checkouts, received when, seen after how long."""

    settings: Settings
    seen: list[tuple[str, float, float]] = field(default_factory=list)
    is_stopping: bool = False

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        read = msgspec.json.Decoder(_Announced).decode
        consumer = Consumer(
            {
                **client_config(self.settings),
                "group.id": "subscriber",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        topic = self.settings.topic(EVENTS)
        consumer.assign([TopicPartition(topic, number, 0) for number in range(_PARTITIONS)])
        while not self.is_stopping:
            messages = consumer.consume(500, 0.002)
            now = datetime.now(UTC).timestamp()
            for message in messages:
                if message.error() is None:
                    event = read(message.value())
                    received = event.recorded_at.timestamp()
                    self.seen.append((event.abandoned_checkout_id, received, now - received))
        consumer.close()


def measure(
    kafka: EmbeddedKafka, targets: Path, port: int, *, rate: int, seconds: int, commit_ms: int
) -> Run:
    """One run, checked.

    Raises:
        WrongRunError: a webhook was refused, or not announced once.
    """
    settings = load_settings(
        bootstrap_servers=kafka.bootstrap_servers, topic_prefix=f"l{uuid.uuid4().hex[:8]}."
    )
    apply_topics(settings, is_development=True, partitions=_PARTITIONS)
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        keys = folder / "app.pem"
        keys.write_text(public_pem())
        metrics = free_port()
        more = {"COMMIT_INTERVAL_MS": str(commit_ms), "METRICS_PORT": str(metrics)}
        env = environment(settings, WORKER_SLOT="0", **more)
        worker = Process(["worker"], env, folder / "worker")
        stack.callback(worker.stop, 30)
        env = environment(settings, WIX_PUBLIC_KEYS=str(keys), INGRESS_PORT=str(port))
        ingress = Process(["ingress"], env, folder / "ingress")
        stack.callback(ingress.stop, 30)
        for name, process in ((metrics, worker), (port, ingress)):
            url = f"http://127.0.0.1:{name}/readyz"
            wait_until(lambda url=url: status(url) == 200, _START_SECONDS, process.text)  # type: ignore[misc]  # a default binds it
        subscriber = Subscriber(settings)
        thread = subscriber.start()
        child = child_of(worker.popen.pid)
        before, begun = Meter.read([child], [kafka.pid, ingress.popen.pid]), time.monotonic()
        attack = Attack(find_vegeta(), targets, ingress.popen.pid)
        figures = attack.run("steady", seconds + _WARM_SECONDS, rate=rate)
        posted = sum(figures.answers.values())
        deadline = time.monotonic() + _START_SECONDS
        while len(subscriber.seen) < posted and time.monotonic() < deadline:
            time.sleep(0.1)
        elapsed = time.monotonic() - begun
        after = Meter.read([child], [kafka.pid, ingress.popen.pid])
        resident = resident_bytes(child)
        subscriber.is_stopping = True
        thread.join()
    if figures.answers != {"200": posted}:
        raise WrongRunError(f"answers: {figures.answers}")
    checkouts = [checkout for checkout, _, _ in subscriber.seen]
    if len(checkouts) != posted or len(set(checkouts)) != posted:
        raise WrongRunError(
            f"{posted} accepted, {len(checkouts)} announced, {len(set(checkouts))} different"
        )
    first = min(received for _, received, _ in subscriber.seen)
    delays = sorted(
        1000 * delay for _, received, delay in subscriber.seen if received - first >= _WARM_SECONDS
    )
    return Run(
        value=_quantile(delays, 0.5),
        cpu_microseconds=1e6 * (after.contender - before.contender) / posted,
        resident_megabytes=resident / 1e6,
        others=after.others_since(before) / (elapsed * (os.cpu_count() or 1)),
        load_average=load,
        more={
            "p90": _quantile(delays, 0.9),
            "p99": _quantile(delays, 0.99),
            "most": delays[-1],
            "rate": figures.asked_per_second,
            "answer_p99": figures.p99,
        },
    )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _contenders(kafka: EmbeddedKafka, arguments: argparse.Namespace) -> Iterator[Contender]:
    folder, port = Path(arguments.folder), free_port()
    targets = folder / "targets"
    count = arguments.rate * (arguments.seconds + _WARM_SECONDS + 1)  # vegeta may post one more
    write_targets(targets, f"http://127.0.0.1:{port}/webhooks/wix", count, when=datetime.now(UTC))
    for commit_ms in arguments.commits:
        run = partial(
            measure,
            kafka,
            targets,
            port,
            rate=arguments.rate,
            seconds=arguments.seconds,
            commit_ms=commit_ms,
        )
        yield Contender(f"commits every {commit_ms} ms", "", run)


def main() -> int:
    """Run it and print the table; 1 if a run was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2000, help="webhooks a second")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--commits", type=int, nargs="+", default=[100, 50, 500])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="into docs/performance as well")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as arguments.folder,
        EmbeddedKafka(jvm=Jvm(512, is_fast=True)) as kafka,
    ):
        contenders = list(_contenders(kafka, arguments))
        with suppress(WrongRunError):  # a broker just started is late for its own reasons
            contenders[0].run()
        results = in_turns(contenders, arguments.repeats)
        print("\n".join(REPORT.table(results)))  # noqa: T201  # its output
        if arguments.write:
            REPORT.write(results)
    return 1 if any(result.refused for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
