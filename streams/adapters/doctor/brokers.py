"""The brokers' own settings, where they limit ours or weaken a promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource, ResourceType

from streams.adapters.cluster import REQUEST_SECONDS, Cluster, why
from streams.adapters.doctor.findings import Finding, ok, problem, warning
from streams.config import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka.admin import ClusterMetadata

    from streams.config import Settings

#: A consumer group without members for so long loses its offsets and starts anew.
_LEAST_OFFSETS_MINUTES: Final = 7 * 24 * 60


def check_brokers(settings: Settings, cluster: Cluster, metadata: ClusterMetadata) -> list[Finding]:
    """Whether the brokers answer, and what their settings mean for ours."""
    count = len(metadata.brokers)
    findings = [ok("broker", f"{count} broker{'s' * (count != 1)}, cluster {metadata.cluster_id}")]
    broker = min(metadata.brokers)
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    answer = cluster.admin.describe_configs([resource], request_timeout=REQUEST_SECONDS)[resource]
    try:
        config = {name: str(entry.value) for name, entry in answer.result().items()}
    except KafkaException as error:
        return [
            *findings,
            warning(
                "broker",
                f"its settings can't be read: {why(error)}",
                "grant DESCRIBE_CONFIGS on the cluster, or compare them by hand (docs/topics.md)",
            ),
        ]
    return findings + check_limits(settings, config)


def check_limits(settings: Settings, config: Mapping[str, str]) -> list[Finding]:
    """Compare a broker's settings with ours; what it does not tell is not compared."""
    session, transaction = settings.session_timeout_ms, settings.transaction_timeout_ms
    least, most = (
        _number(config, "group.min.session.timeout.ms"),
        _number(config, "group.max.session.timeout.ms"),
    )
    findings = []
    if (least is not None and session < least) or (most is not None and session > most):
        findings.append(
            problem(
                "broker",
                f"it takes session timeouts of {least} to {most} ms, ours is {session} ms",
                f"set {PREFIX}SESSION_TIMEOUT_MS within",
            )
        )
    longest = _number(config, "transaction.max.timeout.ms")
    if longest is not None and transaction > longest:
        findings.append(
            problem(
                "broker",
                f"it takes transactions of at most {longest} ms, ours may take {transaction} ms",
                f"lower {PREFIX}TRANSACTION_TIMEOUT_MS",
            )
        )
    if config.get("unclean.leader.election.enable") == "true":
        findings.append(
            problem(
                "broker",
                "unclean.leader.election.enable=true: an accepted webhook may vanish",
                "set it to false",
            )
        )
    if config.get("auto.create.topics.enable") == "true":
        findings.append(
            warning(
                "broker",
                "auto.create.topics.enable=true: a misspelt topic is created, with the brokers' "
                "defaults",
                "set it to false; `checkout-recovery topics apply` creates ours",
            )
        )
    offsets = _number(config, "offsets.retention.minutes")
    if offsets is not None and offsets < _LEAST_OFFSETS_MINUTES:
        findings.append(
            warning(
                "broker",
                f"offsets.retention.minutes={offsets}: workers stopped for longer lose their place",
                f"set it to at least {_LEAST_OFFSETS_MINUTES}",
            )
        )
    return findings


def _number(config: Mapping[str, str], name: str) -> int | None:
    value = config.get(name, "")
    return int(value) if value.isdecimal() else None
