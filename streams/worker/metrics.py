"""Metrics of a worker. No label holds anything of a person or an unbounded set of values."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

NAMESPACE: Final = "checkout_recovery_worker"


class WorkerMetrics:
    """What a worker counts. ``registry`` is served by the health server."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self.events = Counter(
            "events", "Source events processed.", ["kind"], NAMESPACE, registry=self.registry
        )
        self.late_events = Counter(
            "late_events",
            "Source events older than anything that counts.",
            (),
            NAMESPACE,
            registry=self.registry,
        )
        self.announced = Counter(
            "announced", "Lifecycle events published.", ["type"], NAMESPACE, registry=self.registry
        )
        self.dead_letters = Counter(
            "dead_letters",
            "Records that could not be read.",
            ["stage", "reason"],
            NAMESPACE,
            registry=self.registry,
        )
        self.aged_out = Counter(
            "aged_out", "Checkouts forgotten.", (), NAMESPACE, registry=self.registry
        )
        self.facts = Counter(
            "facts", "Facts counted into rates.", (), NAMESPACE, registry=self.registry
        )
        self.published = Counter(
            "published", "Conversion records published.", (), NAMESPACE, registry=self.registry
        )
        self.lag = Gauge(
            "lag",
            "Records of a partition not processed yet.",
            ["topic", "partition"],
            NAMESPACE,
            registry=self.registry,
        )
