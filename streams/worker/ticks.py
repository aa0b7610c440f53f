"""Tells the counts that time passes, also where nothing happens.

The owner of a facts partition writes a tick into that very partition about once a minute, sooner if
numbers wait to be published, with a plain producer: a tick only raises the sites' time, so a repeat
is harmless. Only while the partition is caught up: never in the middle of a replay.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException, Producer

from streams.adapters.facts import encode_tick
from streams.adapters.kafka import producer_config

if TYPE_CHECKING:
    from streams.config import Settings
    from streams.runtime import RuntimeApp
    from streams.worker.measuring import Measuring
    from streams.worker.metrics import WorkerMetrics

_LOOK_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 60.0


class Ticker:
    """Writes the ticks of the partitions that this worker owns."""

    def __init__(
        self,
        app: RuntimeApp,
        settings: Settings,
        measuring: Measuring,
        metrics: WorkerMetrics,
        topic: str,
    ) -> None:
        self._app = app
        self._measuring = measuring
        self._metrics = metrics
        self._topic = topic
        self._producer = Producer(producer_config(settings))
        self._last: dict[int, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Look once a second until told to stop."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
            self._look()
            self._producer.poll(0)

    def _look(self) -> None:
        consumer = self._app.consumer
        for tp in consumer.assignment():
            lag = consumer.lag(tp)
            if lag is not None:
                self._metrics.lag.labels(tp.topic, str(tp.partition)).set(lag)
            if tp.topic != self._topic or lag != 0:
                continue
            now = time.monotonic()
            is_due = now - self._last.get(tp.partition, -_TICK_SECONDS) >= _TICK_SECONDS
            if is_due or self._measuring.has_unpublished(tp.partition):
                self._last[tp.partition] = now
                with suppress(KafkaException, BufferError):  # the next look tries again
                    self._producer.produce(
                        self._topic, encode_tick(datetime.now(UTC)), partition=tp.partition
                    )
