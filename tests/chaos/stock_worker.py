"""The same agents on Faust as it comes, at least once: what the breaker must find wanting.

Configured as Faust's documentation advises for not losing data; the ticks come from a task.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
from confluent_kafka import Producer
from faust.types.tuples import Message

from streams.adapters import topics
from streams.adapters.facts import encode_tick
from streams.adapters.health import serve_health
from streams.adapters.kafka import producer_config
from streams.config import load_settings
from streams.worker.metrics import WorkerMetrics
from streams.worker.topology import build_topology

PARTITIONS = 8


class StockApp(faust.App):  # type: ignore[misc]  # Faust is untyped here
    """What the topology asks of an application, on Faust's own transport."""

    runtime = SimpleNamespace(partitions=PARTITIONS)

    def Table(self, name: str, **options: Any) -> Any:  # noqa: N802  # Faust's name
        raw = faust.Schema(
            key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        return super().Table(name, schema=raw, **options)


def main() -> None:
    settings = load_settings()
    Message.timestamp_ms = property(lambda self: int(1000 * self.timestamp))
    app = StockApp(
        settings.topic(topics.GROUP),
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        topic_partitions=PARTITIONS,
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=settings.session_timeout_ms / 1000,
        broker_max_poll_interval=300.0,
        producer_acks=-1,
        datadir=str(Path(sys.argv[1])),
    )
    metrics = WorkerMetrics()
    topology = build_topology(app, settings, metrics)
    ticks = Producer(producer_config(settings))

    @app.timer(interval=1.0)  # type: ignore[untyped-decorator]  # Faust is untyped here
    async def tick() -> None:
        for number in range(PARTITIONS):
            if topology.measuring.has_unpublished(number):
                ticks.produce(
                    settings.topic(topics.FACTS), encode_tick(datetime.now(UTC)), partition=number
                )
        ticks.poll(0)

    has_partitions = threading.Event()

    @app.on_partitions_assigned.connect(weak=False)  # type: ignore[untyped-decorator]  # Faust is untyped here
    async def assigned(*_args: object, **_kwargs: object) -> None:
        has_partitions.set()

    serve_health(
        "127.0.0.1",
        int(os.environ["CHECKOUT_RECOVERY_METRICS_PORT"]),
        registry=metrics.registry,
        readiness=lambda: "" if has_partitions.is_set() and not app.rebalancing else "waiting",
    )
    worker = faust.Worker(app, loop=asyncio.new_event_loop(), loglevel="INFO")
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
