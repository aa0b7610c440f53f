"""The agent ``track-checkouts`` on Faust as it comes: what the breaker finds wanting.

At least once, configured as Faust's documentation advises for not losing data. The rates are left
out: their agent lists a table's keys, and a table of stock Faust lists those of other partitions.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import faust

from streams.adapters import topics
from streams.adapters.health import serve_health
from streams.config import load_settings
from streams.domain.law import Law
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Target
from streams.worker.tracking import Tracking

PARTITIONS = 8
RAW = {"key_serializer": "raw", "value_serializer": "raw"}


def main() -> None:
    settings = load_settings()
    app = faust.App(
        settings.topic(topics.GROUP),
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        topic_partitions=PARTITIONS,
        **RAW,
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=settings.session_timeout_ms / 1000,
        broker_max_poll_interval=300.0,
        producer_acks=-1,
        datadir=sys.argv[1],
    )
    metrics = WorkerMetrics()
    law = Law(settings.windows, settings.horizon, settings.announce_within)
    tracking = Tracking(law, metrics)
    outputs = {target: app.topic(settings.topic(target.value)) for target in Target}
    schema = faust.Schema(key_type=bytes, value_type=bytes, **RAW)
    checkouts = app.Table("checkouts", partitions=PARTITIONS, schema=schema)

    @app.agent(app.topic(settings.topic(topics.SOURCE)), name="track-checkouts")  # type: ignore[untyped-decorator]  # Faust is untyped here
    async def track_checkouts(stream: Any) -> None:
        async for event in stream.events():
            for record in tracking.process(_incoming(event.message), checkouts):
                await outputs[record.target].send(
                    key=record.key, value=record.value, headers=record.headers
                )

    has_partitions = threading.Event()

    @app.on_partitions_assigned.connect(weak=False)  # type: ignore[untyped-decorator]  # Faust is untyped here
    async def assigned(*_args: object, **_kwargs: object) -> None:
        tracking.forget()
        has_partitions.set()

    serve_health(
        "127.0.0.1",
        int(os.environ["CHECKOUT_RECOVERY_METRICS_PORT"]),
        registry=metrics.registry,
        readiness=lambda: "" if has_partitions.is_set() and not app.rebalancing else "waiting",
    )
    faust.Worker(app, loglevel="INFO").execute_from_commandline()


def _incoming(message: Any) -> Incoming:
    return Incoming(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=list(message.headers or ()),
        timestamp_ms=int(1000 * message.timestamp),
    )


if __name__ == "__main__":
    main()
