"""A transaction that hangs in a changelog: its coordinator has ended it, the partition not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import OffsetSpec

from streams.demo.kafka import KafkaCluster
from streams.runtime import RuntimeSettings, remove_member
from tests.integration.runtime.running import PARTITIONS, Run
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


def are_open(run: Run) -> bool:
    """Whether a reader of what is committed gets no further than an open transaction."""
    asked = {TopicPartition(run.changelog, n): OffsetSpec.latest() for n in range(PARTITIONS)}
    committed, all_of_them = (
        [
            at.result().offset
            for at in run.admin.list_offsets(asked, isolation_level=isolation).values()
        ]
        for isolation in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
    )
    return all(own < end for own, end in zip(committed, all_of_them, strict=True))


@pytest.mark.parametrize("successor", ["a", "b"])
def test_who_restores_ends_what_hangs_of_its_own_and_of_the_gone(
    trusting: Run, successor: str
) -> None:
    worker = trusting.start("a")
    trusting.feed(300)
    trusting.wait()
    worker.terminate()
    worker.wait(15)
    name = f"{trusting.name}-group"
    changelogs = [(trusting.changelog, number) for number in range(PARTITIONS)]
    asyncio.run(hang(trusting.bootstrap_servers, f"{name}-a", changelogs))
    assert are_open(trusting)
    if successor != "a":
        client = {"bootstrap.servers": trusting.bootstrap_servers}
        settings = RuntimeSettings(client=client, group=name, slot="a")
        remove_member(settings, [trusting.source])
    trusting.feed(300)
    trusting.start(successor)
    trusting.wait(90)
    trusting.check()
    assert "hanging_transactions_ended" in trusting.log.read_text()
