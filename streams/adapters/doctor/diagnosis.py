"""All checks, one after the other; what one finds never keeps the others from looking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.adapters.cluster import Cluster
from streams.adapters.doctor.brokers import check_brokers
from streams.adapters.doctor.clock import check_clock
from streams.adapters.doctor.database import check_database
from streams.adapters.doctor.findings import Finding, ok, problem, warning
from streams.adapters.doctor.host import check_keys, check_libraries, check_settings
from streams.adapters.doctor.permissions import check_permissions
from streams.adapters.errors import ClusterError
from streams.adapters.topics import check_topics, load_topics
from streams.config import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka.admin import ClusterMetadata

    from streams.config import Settings


def diagnose(settings: Settings, *, timeout_seconds: float = 15.0) -> list[Finding]:
    """Every finding, good and bad, in the order of the checks. Blocks; changes nothing.

    ``timeout_seconds`` bounds each question to Kafka; where it does not answer at all, what needs
    it is not looked at.
    """
    findings = [
        *check_settings(settings),
        *check_keys(settings),
        *check_database(settings),
        *check_libraries(),
    ]
    try:
        cluster = Cluster(settings, timeout_seconds=timeout_seconds)
        metadata = cluster.metadata()
    except ClusterError as error:
        return [
            *findings,
            problem(
                "broker",
                str(error),
                "start it or mend the settings; topics, permissions and clock were not looked at",
            ),
        ]
    checks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("broker", lambda: check_brokers(settings, cluster, metadata)),
        ("topics", lambda: _check_topics(settings, metadata)),
        ("permissions", lambda: check_permissions(settings, cluster, metadata)),
        ("clock", lambda: check_clock(settings, cluster, metadata)),
    ]
    for name, check in checks:
        try:
            findings += check()
        except ClusterError as error:
            findings.append(problem(name, str(error), "see the message"))
        except ConfigurationError as error:
            findings.append(problem(name, str(error), "mend CHECKOUT_RECOVERY_TOPICS_FILE"))
    return findings


def _check_topics(settings: Settings, metadata: ClusterMetadata) -> list[Finding]:
    """On a cluster too small for the table, what one broker can't have is a single warning."""
    table = load_topics(settings.topics_file)
    brokers = len(metadata.brokers)
    is_small = brokers < table.replication_factor
    findings = [
        problem("topics", f"{found.topic} {found.what}", found.mend)
        for found in check_topics(settings, is_development=is_small)
    ]
    if is_small:
        findings.append(
            warning(
                "topics",
                f"{brokers} broker{'s' * (brokers != 1)} can't keep {table.replication_factor} "
                "copies: a lost disk loses webhooks that were answered with 200",
                "fine for development; for production start more brokers",
            )
        )
    return findings or [ok("topics", f"{len(table.topics)} topics are as the table says")]
