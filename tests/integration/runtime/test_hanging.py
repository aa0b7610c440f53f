"""A transaction that hangs: its coordinator has ended it, and a partition does not know."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from structlog.testing import capture_logs

from streams.demo.kafka import KafkaCluster
from streams.runtime import RuntimeSettings
from streams.runtime.extents import Note
from streams.runtime.restore import Restore
from tests.integration.runtime.running import Run
from tests.support.hanging import NO_VERIFICATION, hang

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kafka


@pytest.fixture
def trusting(tmp_path: Path) -> Iterator[Run]:
    """On a broker that takes a record of a transaction that nobody knows."""
    with KafkaCluster(size=1, properties=lambda _node: NO_VERIFICATION) as kafka:
        run = Run(kafka.bootstrap_servers, tmp_path)
        yield run
        run.stop()


def test_a_restore_waits_for_a_hanging_transaction_and_goes_on_when_it_is_ended(
    trusting: Run,
) -> None:
    changelog = (trusting.changelog, 0)
    note = Note({changelog[0]: 0}, {changelog[0]: 0}, owner="somebody")
    trusting.commit_offset(0, 0, note)
    asyncio.run(hang(trusting.bootstrap_servers, "somebody", [changelog]))
    client = {"bootstrap.servers": trusting.bootstrap_servers}
    settings = RuntimeSettings(client=client, group=f"{trusting.name}-group")
    restore = Restore(settings, [trusting.changelog], {(trusting.source, 0)})
    with capture_logs() as logs:
        until = time.monotonic() + 12
        while time.monotonic() < until:
            assert not restore.step()
    assert any("waits for" in entry.get("hint", "") for entry in logs)
    end(client, "somebody", changelog)
    deadline = time.monotonic() + 30
    while not restore.step():
        assert time.monotonic() < deadline
    assert restore.stores == {changelog: {}}


def end(client: dict[str, str], transactional_id: str, partition: tuple[str, int]) -> None:
    """As an operator does with Kafka's tool: a mark of the same producer, here by a transaction."""
    producer = Producer({**client, "transactional.id": transactional_id})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(partition[0], None, b"aborted", partition[1])
    producer.flush(10)
    producer.abort_transaction(10)
