"""Fixtures shared by the whole suite: one broker a run, and names that nobody else uses."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis_settings

from streams.config import Settings, load_settings
from streams.demo.kafka import EmbeddedKafka, KafkaCluster
from tests.support.databases import PostgreSQL, postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "CHECKOUT_RECOVERY_TEST_BOOTSTRAP_SERVERS"

hypothesis_settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis_settings.register_profile("dev", deadline=None)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def bootstrap_servers() -> Iterator[str]:
    """A real Apache Kafka shared by the run; another one if the environment names it."""
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    with EmbeddedKafka() as kafka:
        yield kafka.bootstrap_servers


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A real PostgreSQL shared by the run; each test makes databases of its own in it."""
    with postgresql() as server:
        yield server


@pytest.fixture
def topic_prefix() -> str:
    """A prefix of the test's own for topics and groups, so that tests can share a broker."""
    return f"t{uuid.uuid4().hex[:8]}."


@pytest.fixture
def kafka_settings(bootstrap_servers: str, topic_prefix: str) -> Settings:
    """Settings for the shared broker with a topic prefix of the test's own."""
    return load_settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)


@pytest.fixture
def own_kafka() -> Iterator[EmbeddedKafka]:
    """A broker that the test may stop, kill or freeze."""
    with EmbeddedKafka() as kafka:
        yield kafka


@pytest.fixture(scope="module")
def three_kafkas() -> Iterator[KafkaCluster]:
    """Three brokers of the module's own; a test that kills one starts it again."""
    with KafkaCluster() as cluster:
        yield cluster
