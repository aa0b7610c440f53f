"""The doctor on a real Apache Kafka: a healthy installation, and one that denies things."""

from __future__ import annotations

import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from pydantic import SecretStr

from streams.adapters import topics
from streams.adapters.cluster import Cluster
from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate, require_tables
from streams.adapters.doctor import Finding, State, diagnose
from streams.adapters.kafka import client_config, producer_config
from streams.adapters.topics import apply_topics
from streams.config import Settings, load_settings
from streams.demo.kafka.broker import Broker, Jvm, Node, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.databases import PostgreSQL

pytestmark = pytest.mark.kafka


def problems(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state is State.PROBLEM]


def test_a_healthy_development_installation_has_no_problem(kafka_settings: Settings) -> None:
    apply_topics(kafka_settings, is_development=True)
    findings = diagnose(kafka_settings)
    assert problems(findings) == []
    assert {finding.check for finding in findings} == {
        "settings",
        "keys",
        "database",
        "libraries",
        "broker",
        "topics",
        "permissions",
        "clock",
    }


def test_without_topics_each_is_a_problem_with_the_command(kafka_settings: Settings) -> None:
    found = problems(diagnose(kafka_settings))
    assert len(found) == 7
    assert {finding.check for finding in found} == {"topics"}
    assert all("topics apply" in finding.mend for finding in found)


def test_a_record_from_the_future_tells_of_a_wrong_clock(kafka_settings: Settings) -> None:
    apply_topics(kafka_settings, is_development=True)
    producer = Producer(producer_config(kafka_settings))
    future = datetime.now(UTC) + timedelta(minutes=10)
    producer.produce(
        kafka_settings.topic(topics.SOURCE),
        key=b"k",
        value=b"{}",
        timestamp=int(future.timestamp() * 1000),
    )
    assert producer.flush(10) == 0
    [finding] = problems(diagnose(kafka_settings))
    assert finding.check == "clock"
    assert "this clock is behind" in finding.what


class _GuardedBroker(Broker):
    """A broker that asks its access lists; what no list names is allowed."""

    def _properties(self) -> str:
        return (
            super()._properties()
            + "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
            + "allow.everyone.if.no.acl.found=true\n"
        )


@pytest.fixture
def guarded_settings() -> Iterator[Settings]:
    """Settings of an installation on a broker with access lists."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        broker = _GuardedBroker(
            Path(directory), Node(1, free_port(), free_port()), (), Jvm(heap_megabytes=384)
        )
        broker.start()
        try:
            broker.wait_until_ready()
            yield load_settings(
                bootstrap_servers=broker.address, topic_prefix=f"t{uuid.uuid4().hex[:8]}."
            )
        finally:
            broker.stop()


def allow(
    settings: Settings, kind: ResourceType, name: str, *operations: AclOperation
) -> list[AclBinding]:
    return [
        AclBinding(
            kind,
            settings.topic(name),
            ResourcePatternType.LITERAL,
            "User:ANONYMOUS",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]


def test_everything_that_kafka_denies_is_told_at_once_with_what_to_grant(
    guarded_settings: Settings, postgres: PostgreSQL
) -> None:
    url = postgres.new_database()
    engine = writing_engine(url)
    migrate(engine)
    api_group = topics.API_GROUP + require_tables(engine)
    engine.dispose()
    settings = guarded_settings.model_copy(update={"database_url": SecretStr(url)})
    apply_topics(settings, is_development=True)
    join_once(settings, api_group)
    assert problems(diagnose(settings)) == []
    rules = [
        *allow(
            settings,
            ResourceType.TOPIC,
            topics.CONVERSION,
            AclOperation.WRITE,
            AclOperation.DESCRIBE,
        ),
        *allow(settings, ResourceType.GROUP, api_group, AclOperation.DESCRIBE),
        *allow(settings, ResourceType.TOPIC, topics.SOURCE, AclOperation.READ),
        *allow(
            settings, ResourceType.TOPIC, topics.EVENTS, AclOperation.READ, AclOperation.DESCRIBE
        ),
        *allow(settings, ResourceType.GROUP, topics.GROUP, AclOperation.DESCRIBE),
        *allow(
            settings,
            ResourceType.TRANSACTIONAL_ID,
            f"{topics.GROUP}-doctor",
            AclOperation.DESCRIBE,
        ),
    ]
    cluster = Cluster(settings)
    for answer in cluster.admin.create_acls(rules).values():
        answer.result()
    found = [finding for finding in problems(diagnose(settings)) if finding.check == "permissions"]
    said = "\n".join(f"{finding.what} → {finding.mend}" for finding in found)
    assert f"{settings.topic(topics.SOURCE)}: our user may not WRITE" in said
    assert f"{settings.topic(topics.EVENTS)}: our user may not WRITE" in said
    assert f"{settings.topic(topics.CONVERSION)}: our user may not READ" in said
    assert f"group {settings.topic(api_group)}: our user may not READ" in said
    assert "transactions: not allowed to use transactions" in said
    assert f"grant WRITE on {settings.topic(topics.GROUP)}-doctor" in said
    assert settings.topic(topics.FACTS) not in said


def join_once(settings: Settings, group: str) -> None:
    """Kafka says nothing of what may be done with a group that nobody has ever joined."""
    consumer = Consumer({**client_config(settings), "group.id": settings.topic(group)})
    place = TopicPartition(settings.topic(topics.SOURCE), 0, 0)
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()
