"""Live figures of a running stack, read from its topics as a subscriber would."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer

from streams.adapters import topics
from streams.adapters.kafka import client_config

if TYPE_CHECKING:
    from streams.config import Settings

_WINDOW_SECONDS: Final = 5.0


@dataclass(slots=True)
class Figures:
    """What subscribers have seen so far. Delays are milliseconds, webhook to announcement."""

    announced: Counter[str] = field(default_factory=Counter)
    rates: dict[str, dict[str, Any]] = field(default_factory=dict)
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=2_000))
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))
    records: int = 0

    def percentile(self, percent: int) -> float:
        """Delay that so many percent of the latest announcements stayed within."""
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0

    def per_second(self) -> float:
        """Announcements a second, of the last seconds."""
        since = time.monotonic() - _WINDOW_SECONDS
        return sum(at > since for at in list(self.arrivals)) / _WINDOW_SECONDS


class FiguresReader:
    """Reads the outputs in a thread, as any read_committed subscriber may."""

    def __init__(self, settings: Settings) -> None:
        self.figures = Figures()
        self._topics = [settings.topic(topics.EVENTS), settings.topic(topics.CONVERSION)]
        self._consumer = Consumer(
            {
                **client_config(settings),
                "group.id": "checkout-recovery-demo-figures",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True, name="figures")

    def start(self) -> None:
        """Begin to read."""
        self._consumer.subscribe(self._topics)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join(5)
        self._consumer.close()

    def _read(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, 0.1):
                if message.error() is None and message.value():
                    self._see(
                        message.topic() == self._topics[0], json.loads(message.value() or b"")
                    )

    def _see(self, is_event: bool, value: dict[str, Any]) -> None:  # noqa: FBT001  # two topics
        figures = self.figures
        figures.records += 1
        if not is_event:
            figures.rates[value["instance_id"]] = value
            return
        figures.announced[value["type"]] += 1
        figures.arrivals.append(time.monotonic())
        received = datetime.fromisoformat(value["recorded_at"])
        figures.delays.append(1000 * (datetime.now(UTC) - received).total_seconds())
