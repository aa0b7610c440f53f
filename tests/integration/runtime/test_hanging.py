"""A transaction that hangs: its coordinator has ended it, and a partition does not know."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.demo.kafka import KafkaCluster
from streams.runtime import ExitCode, RuntimeSettings
from streams.runtime.extents import Note
from streams.runtime.restore import Restore
from tests.integration.runtime.running import Run
from tests.support.ending import ending
from tests.support.hanging import NO_VERIFICATION, hang

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kafka

_LIMIT_SECONDS = 40


@pytest.fixture
def kafka() -> Iterator[KafkaCluster]:
    """A broker that takes a record of a transaction that nobody knows."""
    with KafkaCluster(size=1, properties=lambda _node: NO_VERIFICATION) as cluster:
        yield cluster


@pytest.fixture
def trusting(kafka: KafkaCluster, tmp_path: Path) -> Iterator[Run]:
    run = Run(kafka.bootstrap_servers, tmp_path)
    run.commit_offset(0, 0, Note({run.changelog: 0}, {run.changelog: 0}, owner="somebody"))
    yield run
    run.stop()


def a_restore(bootstrap_servers: str, name: str, *, seconds: float) -> Restore:
    """With the names of ``Run``; gives up on what is open for so long."""
    settings = RuntimeSettings(
        client={"bootstrap.servers": bootstrap_servers},
        group=f"{name}-group",
        transaction_timeout_ms=0,
    )
    return Restore(
        settings,
        [f"{name}-group-counts-changelog"],
        {(f"{name}-in", 0)},
        hangs_seconds=seconds,
    )


def restore(bootstrap_servers: str, name: str) -> None:
    waiting = a_restore(bootstrap_servers, name, seconds=5)
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not waiting.step():
        assert time.monotonic() < deadline


def test_a_changelog_that_nobody_can_read_to_its_end_is_refused(
    trusting: Run, tmp_path: Path
) -> None:
    asyncio.run(hang(trusting.bootstrap_servers, "somebody", [(trusting.changelog, 0)]))
    end = ending(restore, trusting.bootstrap_servers, trusting.name, log=tmp_path / "log")
    assert end.code == ExitCode.TRANSACTION_HANGS, end.text
    assert f"{trusting.changelog}-0" in end.text
    assert "kafka-transactions.sh find-hanging" in end.text


def test_positions_that_do_not_become_stable_are_refused(trusting: Run, tmp_path: Path) -> None:
    client = {"bootstrap.servers": trusting.bootstrap_servers}
    producer = Producer({**client, "transactional.id": "another"})
    producer.init_transactions(10)
    producer.begin_transaction()
    member = Consumer({**client, "group.id": f"{trusting.name}-group"})
    producer.send_offsets_to_transaction(
        [TopicPartition(trusting.source, 0, 1)], member.consumer_group_metadata(), 10
    )
    member.close()
    end = ending(restore, trusting.bootstrap_servers, trusting.name, log=tmp_path / "log")
    assert end.code == ExitCode.TRANSACTION_HANGS, end.text
    assert f"{trusting.source}-0" in end.text


def test_a_kafka_that_is_silent_is_waited_for(kafka: KafkaCluster, trusting: Run) -> None:
    waiting = a_restore(trusting.bootstrap_servers, trusting.name, seconds=1)
    [broker] = kafka.brokers
    broker.pause()
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            assert not waiting.step()
    finally:
        broker.resume()
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not waiting.step():
        assert time.monotonic() < deadline
