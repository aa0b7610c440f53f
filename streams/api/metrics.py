"""Metrics of the API."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_NAMESPACE: Final = "checkout_recovery_api"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class ApiMetrics:
    """What the API counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "answers",
            "Answers by route and status.",
            ["route", "status"],
            _NAMESPACE,
            registry=self.registry,
        )
        self.seconds = Histogram(
            "answer_seconds",
            "From the request to the answer.",
            ["route"],
            _NAMESPACE,
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.records = Counter(
            "records",
            "Records that the read model has taken in.",
            ["topic"],
            _NAMESPACE,
            registry=self.registry,
        )
        self.unreadable = Counter(
            "unreadable",
            "Records that the read model left out.",
            ["topic", "reason"],
            _NAMESPACE,
            registry=self.registry,
        )
        self.lost = Counter(
            "lost_records",
            "Records that Kafka had deleted before the read model took them in.",
            ["topic"],
            _NAMESPACE,
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "batch_seconds",
            "Time to write a batch of records.",
            (),
            _NAMESPACE,
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.lag = Gauge(
            "lag_records",
            "Records of this process's partitions that the read model has not taken in.",
            ["topic"],
            _NAMESPACE,
            registry=self.registry,
        )
        self.age = Gauge(
            "model_age_seconds",
            "How long ago the read model, all partitions together, was complete.",
            (),
            _NAMESPACE,
            registry=self.registry,
        )
        self.listeners = Gauge(
            "listeners",
            "Pages that are told of changes.",
            (),
            _NAMESPACE,
            registry=self.registry,
        )
        self.told = Counter(
            "live_events",
            "Events for pages.",
            (),
            _NAMESPACE,
            registry=self.registry,
        )
        self.skipped = Counter(
            "live_skips",
            "Times that a page did not take its events, and so lost some.",
            (),
            _NAMESPACE,
            registry=self.registry,
        )
