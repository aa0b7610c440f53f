"""Whether Kafka lets our user do what each process does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation

from streams.adapters import topics
from streams.adapters.cluster import Cluster, why
from streams.adapters.doctor.findings import Finding, ok, problem, warning
from streams.adapters.kafka import producer_config
from streams.adapters.topics import load_topics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka.admin import ClusterMetadata

    from streams.config import Settings

_READ_AND_WRITE: Final = (AclOperation.READ, AclOperation.WRITE)
_OPERATIONS: Final = {
    topics.EVENTS: (AclOperation.WRITE,),
    topics.CONVERSION: (AclOperation.WRITE,),
    topics.DEAD_LETTERS: (AclOperation.WRITE,),
}
_REQUEST_SECONDS: Final = 15


def check_permissions(
    settings: Settings,
    cluster: Cluster,
    metadata: ClusterMetadata,
    *,
    api_groups: Sequence[str] | None,
) -> list[Finding]:
    """What our user may not do: with topics, with consumer groups, with transactions.

    ``api_groups``: also what an API needs that joins these; None: there is none. The transactional
    id of the attempt is the doctor's own, so no worker is fenced.
    """
    groups = [settings.topic(topics.GROUP), *(api_groups or ())]
    findings = [
        *_topic_findings(settings, cluster, metadata, has_api=api_groups is not None),
        *(finding for group in groups for finding in _group_findings(group, cluster)),
        *_transaction_findings(settings),
    ]
    return findings or [ok("permissions", "topics, consumer groups and transactions are allowed")]


def _topic_findings(
    settings: Settings, cluster: Cluster, metadata: ClusterMetadata, *, has_api: bool
) -> list[Finding]:
    # an API reads what the workers write
    operations = {} if has_api else _OPERATIONS
    needed = {
        settings.topic(topic.name): operations.get(topic.name, _READ_AND_WRITE)
        for topic in load_topics(settings.topics_file).topics
        if settings.topic(topic.name) in metadata.topics
    }
    if not needed:
        return []
    answers = cluster.admin.describe_topics(
        TopicCollection(list(needed)),
        include_authorized_operations=True,
        request_timeout=_REQUEST_SECONDS,
    )
    findings = []
    for name, answer in answers.items():
        try:
            allowed = answer.result().authorized_operations
        except KafkaException as error:
            findings.append(
                problem("permissions", f"{name}: {why(error)}", _grant("DESCRIBE", name))
            )
            continue
        missing = [
            operation.name
            for operation in needed[name]
            if allowed is not None and operation not in allowed
        ]
        if missing:
            what = " and ".join(missing)
            findings.append(
                problem("permissions", f"{name}: our user may not {what}", _grant(what, name))
            )
    return findings


def _group_findings(group: str, cluster: Cluster) -> list[Finding]:
    answer = cluster.admin.describe_consumer_groups(
        [group], include_authorized_operations=True, request_timeout=_REQUEST_SECONDS
    )[group]
    try:
        allowed = answer.result().authorized_operations
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.GROUP_ID_NOT_FOUND:  # nobody has joined it yet
            return []
        if code != KafkaError.GROUP_AUTHORIZATION_FAILED:  # its coordinator is starting, say
            return [
                warning(
                    "permissions", f"group {group} was not looked at: {why(error)}", "try again"
                )
            ]
        allowed = frozenset()
    if allowed is None or AclOperation.READ in allowed:
        return []
    return [problem("permissions", f"group {group}: our user may not READ", _grant("READ", group))]


def _transaction_findings(settings: Settings) -> list[Finding]:
    identifier = settings.topic(topics.GROUP) + "-doctor"
    try:
        Producer(
            {**producer_config(settings), "transactional.id": identifier, "log_level": 0}
        ).init_transactions(_REQUEST_SECONDS)
    except KafkaException as error:
        return [problem("permissions", f"transactions: {why(error)}", _grant("WRITE", identifier))]
    return []


def _grant(operations: str, resource: str) -> str:
    return f"grant {operations} on {resource} to our user (kafka-acls)"
