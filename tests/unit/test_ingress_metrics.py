"""The ingress's own histogram, held against prometheus_client's."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest

from streams.ingress.metrics import IngressMetrics

NAME = "checkout_recovery_ingress_answer_seconds"
BOUNDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.25)


def lines(registry: CollectorRegistry) -> list[str]:
    """What a scrape reads of the histogram."""
    text = generate_latest(registry).decode()
    return [line for line in text.splitlines() if NAME in line and "_created" not in line]


def test_a_histogram_reads_as_prometheus_own_does() -> None:
    ours, registry = IngressMetrics(), CollectorRegistry()
    theirs = Histogram(NAME, "From the request to the answer.", registry=registry, buckets=BOUNDS)
    assert lines(ours.registry) == lines(registry)
    for seconds in (0.0, 0.001, 0.002, 0.0021, 0.05, 0.07, 1.25, 1.3, 60.0, 0.05):
        ours.seconds.observe(seconds)
        theirs.observe(seconds)
        assert lines(ours.registry) == lines(registry)
    assert f'{NAME}_bucket{{le="+Inf"}} 10.0' in lines(ours.registry)


def test_answers_are_counted_by_status_and_reason() -> None:
    metrics = IngressMetrics()
    for _ in range(3):
        metrics.answered(200, "accepted")
    metrics.answered(503, "overloaded")
    found = metrics.registry.get_sample_value
    name = "checkout_recovery_ingress_answers_total"
    assert found(name, {"status": "200", "reason": "accepted"}) == 3
    assert found(name, {"status": "503", "reason": "overloaded"}) == 1
    assert found(name, {"status": "401", "reason": "expired"}) is None
