"""The publisher of the ingress where librdkafka's binding does what one does not expect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException

from streams.config import load_settings
from streams.ingress import publisher

if TYPE_CHECKING:
    import confluent_kafka
    import pytest


class Fenced:
    """A producer that can do no more; its errors do not come by ``error_cb``."""

    def __init__(self, _config: dict[str, Any]) -> None:
        pass

    def poll(self, _seconds: float) -> int:
        raise KafkaException(KafkaError(KafkaError._FENCED, fatal=True))  # noqa: SLF001  # librdkafka's public code

    def list_topics(self, _topic: str, timeout: float) -> confluent_kafka.admin.ClusterMetadata:
        del timeout
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))  # noqa: SLF001  # librdkafka's public code


async def test_a_fatal_error_ends_the_ingress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "Producer", Fenced)
    tried = publisher.Publisher(load_settings(bootstrap_servers="127.0.0.1:1"))
    tried.start()
    async with asyncio.timeout(5):
        await tried.failed.wait()
    assert not tried.is_reachable
    await tried.stop(0)
