"""Metrics of the ingress."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_NAMESPACE: Final = "checkout_recovery_ingress"
_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.25)
_VERIFY_SECONDS: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.01)


class IngressMetrics:
    """What the ingress counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "answers",
            "Answers by status and reason.",
            ["status", "reason"],
            _NAMESPACE,
            registry=self.registry,
        )
        self.seconds = Histogram(
            "answer_seconds",
            "From the request to the answer.",
            (),
            _NAMESPACE,
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.verify_seconds = Histogram(
            "verify_seconds",
            "Time to verify a token's signature and dates.",
            (),
            _NAMESPACE,
            registry=self.registry,
            buckets=_VERIFY_SECONDS,
        )
        self.produce_seconds = Histogram(
            "produce_seconds",
            "From handing a record to Kafka to its acknowledgement.",
            (),
            _NAMESPACE,
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.in_flight = Gauge(
            "in_flight", "Webhooks being handled.", (), _NAMESPACE, registry=self.registry
        )
        self.keys = Gauge("keys", "Public keys in use.", (), _NAMESPACE, registry=self.registry)
        self.dead_letters = Counter(
            "dead_letters",
            "Genuine webhooks that are unreadable inside.",
            ["reason"],
            _NAMESPACE,
            registry=self.registry,
        )
        self._by_answer: dict[tuple[int, str], Counter] = {}

    def answered(self, status: int, reason: str) -> None:
        """Count an answer."""
        found = self._by_answer.get((status, reason))
        if found is None:
            found = self._answers.labels(str(status), reason)
            self._by_answer[status, reason] = found
        found.inc()
