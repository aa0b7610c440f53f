"""The changelog is compacted by a real broker, so a restart reads live keys, not history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.demo.kafka import KafkaCluster
from streams.runtime import ExitCode
from tests.integration.runtime.running import KEYS, Run
from tests.support.services import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kafka

EVENTS = 6000


@pytest.fixture
def compacting(tmp_path: Path) -> Iterator[Run]:
    """A broker whose cleaner is in a hurry, and a changelog that it may clean at once."""
    hurried = {"log.cleaner.backoff.ms": "200"}
    with KafkaCluster(size=1, properties=lambda _node: hurried) as kafka:
        run = Run(kafka.bootstrap_servers, tmp_path, makes_changelog=False)
        policy = {
            "cleanup.policy": "compact",
            "segment.ms": "500",
            "min.cleanable.dirty.ratio": "0.01",
            "delete.retention.ms": "0",
        }
        run.create(run.changelog, config=policy)
        yield run
        run.stop()


def test_a_restart_reads_the_live_keys_and_not_their_history(compacting: Run) -> None:
    worker = compacting.start("a", FORGET="1")
    compacting.feed(EVENTS)
    compacting.wait()
    wait_until(lambda: compacting.changelog_end() > EVENTS, 30)

    def is_compacted() -> bool:
        compacting.feed(1)  # a segment is closed when something comes after its time
        return compacting.changes() < EVENTS / 4

    wait_until(is_compacted, 90, compacting.log.read_text)
    worker.terminate()
    assert worker.wait(10) == ExitCode.OK
    worker = compacting.start("a", FORGET="1")
    compacting.wait()
    wait_until(lambda: compacting.restores(worker), 30, compacting.log.read_text)
    [(_, records)] = compacting.restores(worker)
    assert records < EVENTS / 4
    state = compacting.state()
    assert len(state) == KEYS / 2, "the other half was deleted, and its tombstones are gone too"
    compacting.check_places()
