"""Metrics of the ingress.

What is counted for every webhook is counted by the event loop alone, in plain numbers:
prometheus_client's own counters take a lock for each, which was a thirtieth of a webhook. They are
read when they are asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

_NAMESPACE: Final = "checkout_recovery_ingress"
_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.25)
_VERIFY_SECONDS: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.01)


class Durations:
    """A histogram of seconds."""

    def __init__(self, name: str, documentation: str, bounds: tuple[float, ...]) -> None:
        self._name = f"{_NAMESPACE}_{name}"
        self._documentation = documentation
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count it; a bound counts what is as long as it."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def family(self) -> HistogramMetricFamily:
        """What was counted until now."""
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        return HistogramMetricFamily(self._name, self._documentation, buckets, self._sum)


class IngressMetrics(Collector):
    """What the ingress counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Durations("answer_seconds", "From the request to the answer.", _SECONDS)
        self.verify_seconds = Durations(
            "verify_seconds", "Time to verify a token's signature and dates.", _VERIFY_SECONDS
        )
        self.produce_seconds = Durations(
            "produce_seconds", "From handing a record to Kafka to its acknowledgement.", _SECONDS
        )
        self.in_flight = Gauge(
            "in_flight", "Webhooks being handled.", (), _NAMESPACE, registry=self.registry
        )
        self.keys = Gauge("keys", "Public keys in use.", (), _NAMESPACE, registry=self.registry)
        self.dead_letters = prometheus_client.Counter(
            "dead_letters",
            "Genuine webhooks that are unreadable inside.",
            ["reason"],
            _NAMESPACE,
            registry=self.registry,
        )
        self._answers: Counter[tuple[int, str]] = Counter()
        self.registry.register(self)

    def answered(self, status: int, reason: str) -> None:
        """Count an answer."""
        self._answers[status, reason] += 1

    def collect(self) -> Iterator[Metric]:
        """The plain numbers, for the registry."""
        answers = CounterMetricFamily(
            f"{_NAMESPACE}_answers", "Answers by status and reason.", labels=("status", "reason")
        )
        # a copy, for the loop may count a new kind while a scrape's thread is here
        for (status, reason), count in list(self._answers.items()):
            answers.add_metric((str(status), reason), count)
        yield answers
        for durations in (self.seconds, self.verify_seconds, self.produce_seconds):
            yield durations.family()
