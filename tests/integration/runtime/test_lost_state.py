"""A changelog that holds less than was committed is refused, and made anew from the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition

from streams.runtime import ExitCode
from tests.integration.runtime.running import PARTITIONS
from tests.support.services import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.runtime.running import Run

pytestmark = pytest.mark.kafka


@pytest.fixture
def counted(running: Run) -> Run:
    """A worker has counted and stopped cleanly."""
    worker = running.start("a")
    running.feed(1000)
    running.wait()
    worker.terminate()
    assert worker.wait(10) == ExitCode.OK
    return running


def delete_and_create(run: Run) -> None:
    """As an administrator who thinks that the topic can be made again."""
    for future in run.admin.delete_topics([run.changelog]).values():
        future.result()
    wait_until(lambda: run.changelog not in run.admin.list_topics(timeout=10).topics, 20)
    wait_until(lambda: _is_created(run), 20)


def _is_created(run: Run) -> bool:
    try:
        run.create(run.changelog)
    except Exception:  # noqa: BLE001  # the broker has not finished deleting
        return False
    return True


def cut_the_beginning(run: Run) -> None:
    """As retention would, on a changelog that is not compacted."""
    cuts = [TopicPartition(run.changelog, number, 5) for number in range(PARTITIONS)]
    for future in run.admin.delete_records(cuts).values():
        future.result()


@pytest.mark.parametrize("lose", [delete_and_create, cut_the_beginning])
def test_a_lost_changelog_is_refused_with_the_way_out(
    counted: Run, lose: Callable[[Run], None]
) -> None:
    lose(counted)
    worker = counted.start("a")
    assert worker.wait(40) == ExitCode.CHANGELOG_LOST
    assert not ExitCode.CHANGELOG_LOST.is_transient
    log = counted.log.read_text()
    assert f"{counted.changelog}-0" in log
    assert "--rebuild-state-from-source" in log


@pytest.mark.parametrize("lose", [delete_and_create, cut_the_beginning])
def test_a_rebuild_makes_the_same_state_and_sends_nothing_again(
    counted: Run, lose: Callable[[Run], None]
) -> None:
    lose(counted)
    counted.start("a", REBUILD="1")
    counted.feed(500)
    counted.wait()
    counted.check()


def test_a_rebuild_that_is_killed_goes_on_where_it_was(counted: Run) -> None:
    delete_and_create(counted)
    worker = counted.start("a", REBUILD="1", SLEEP="0.01")
    wait_until(lambda: counted.changes() > 100, 30, counted.log.read_text)
    assert counted.changes() < 1000
    worker.kill()
    worker.wait()
    counted.start("a")
    counted.feed(300)
    counted.wait()
    counted.check()


def test_an_intact_changelog_is_accepted_over_many_restarts(running: Run) -> None:
    for _ in range(3):
        worker = running.start("a")
        running.feed(200)
        running.wait()
        worker.kill()
        worker.wait()
    running.start("a")
    running.feed(200)
    running.wait()
    running.check()
