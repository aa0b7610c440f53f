"""All checks, one after the other; what one finds never keeps the others from looking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streams.adapters.cluster import Cluster
from streams.adapters.doctor.brokers import check_brokers
from streams.adapters.doctor.clock import check_clock
from streams.adapters.doctor.findings import Finding, State, ok, problem, warning
from streams.adapters.doctor.host import check_keys, check_libraries, check_settings
from streams.adapters.doctor.permissions import check_permissions
from streams.adapters.errors import ClusterError
from streams.adapters.topics import check_partitions, check_topics, load_topics
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
    from streams.adapters.doctor.database import check_database  # noqa: PLC0415  # a worker's start needs none

    database = check_database(settings)
    findings = [
        *check_settings(settings),
        *check_keys(settings),
        *database.findings,
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
    return findings + _all(
        [
            ("broker", lambda: check_brokers(settings, cluster, metadata)),
            ("topics", lambda: _check_topics(settings, metadata)),
            (
                "permissions",
                lambda: check_permissions(settings, cluster, metadata, api_groups=database.groups),
            ),
            ("clock", lambda: check_clock(settings, cluster, metadata)),
        ],
        otherwise=lambda name, error: problem(name, str(error), "see the message"),
    )


def examine_start(settings: Settings, metadata: ClusterMetadata) -> list[Finding]:
    """What a worker looks at each time that it starts: problems and warnings, all at once.

    What may not be looked at (a worker needs no right to describe configurations) is a warning;
    that the topics exist with equal partition counts is seen without it. A clock that is off is a
    warning too: it may be another machine's, and must not keep this one from working.
    """
    cluster = Cluster(settings)
    findings = [*check_settings(settings), *check_libraries()]
    findings += _all(
        [
            ("broker", lambda: check_brokers(settings, cluster, metadata)),
            ("topics", lambda: _check_topics(settings, metadata)),
            ("clock", lambda: _at_most_warnings(check_clock(settings, cluster, metadata))),
        ],
        otherwise=lambda name, error: warning(
            name, f"could not be looked at: {error}", "run `checkout-recovery doctor`"
        ),
    )
    known = {found.what for found in findings}
    findings += [
        problem("topics", what, found.mend)
        for found in check_partitions(settings, metadata)
        if (what := f"{found.topic} {found.what}") not in known
    ]
    return [found for found in findings if found.state is not State.OK]


def _at_most_warnings(findings: list[Finding]) -> list[Finding]:
    return [
        replace(found, state=State.WARNING) if found.state is State.PROBLEM else found
        for found in findings
    ]


def _all(
    checks: list[tuple[str, Callable[[], list[Finding]]]],
    *,
    otherwise: Callable[[str, ClusterError], Finding],
) -> list[Finding]:
    findings: list[Finding] = []
    for name, check in checks:
        try:
            findings += check()
        except ClusterError as error:
            findings.append(otherwise(name, error))
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
