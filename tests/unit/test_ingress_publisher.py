"""The publisher of the ingress where librdkafka's binding does what one does not expect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ClusterMetadata, TopicMetadata

from streams.config import load_settings
from streams.ingress import publisher

if TYPE_CHECKING:
    import pytest


class Fenced:
    """A producer that can do no more; its errors do not come by ``error_cb``."""

    def __init__(self, _config: dict[str, Any]) -> None:
        pass

    def poll(self, _seconds: float) -> int:
        raise KafkaException(KafkaError(KafkaError._FENCED, fatal=True))  # noqa: SLF001  # librdkafka's public code

    def list_topics(self, _topic: str, timeout: float) -> ClusterMetadata:
        del timeout
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # noqa: SLF001  # librdkafka's public code


class Asked:
    """A producer that notes which topics it was asked about."""

    def __init__(self) -> None:
        self.topics: list[str] = []

    def poll(self, _seconds: float) -> int:
        return 0

    def list_topics(self, topic: str, timeout: float) -> ClusterMetadata:
        del timeout
        self.topics.append(topic)
        found = ClusterMetadata()
        found.topics = {topic: TopicMetadata()}
        return found


async def test_it_is_ready_when_it_knows_the_leaders_of_every_topic_it_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Asked()
    monkeypatch.setattr(publisher, "Producer", lambda _config: asked)
    tried = publisher.Publisher(load_settings(bootstrap_servers="127.0.0.1:1"))
    tried._on_statistics('{"eos": {"idemp_state": "Assigned"}}')  # noqa: SLF001  # librdkafka's callback
    tried.start()
    async with asyncio.timeout(5):
        while not tried.is_reachable:  # noqa: ASYNC110  # set by a thread
            await asyncio.sleep(0.01)
    assert set(asked.topics) == {
        "wix.abandoned-checkouts.v1",
        "checkout-recovery.dead-letters.v1",
    }
    await tried.stop(0)


async def test_a_fatal_error_ends_the_ingress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "Producer", Fenced)
    tried = publisher.Publisher(load_settings(bootstrap_servers="127.0.0.1:1"))
    tried.start()
    async with asyncio.timeout(5):
        await tried.failed.wait()
    assert not tried.is_reachable
    await tried.stop(0)
