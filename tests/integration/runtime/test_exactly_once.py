"""Kill, pause, join and leave: state and outputs end as a plain recomputation says."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from streams.runtime import ExitCode
from tests.support.services import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runtime.running import Run

pytestmark = pytest.mark.kafka


def test_kills_joins_and_leaves_lose_and_repeat_nothing(running: Run) -> None:
    running.start("a", SLEEP="0.001")
    second = running.start("b", SLEEP="0.001")
    running.feed(3000)
    wait_until(lambda: running.outputs() > 200, 60, running.log.read_text)
    second.kill()
    second.wait()
    running.start("b", SLEEP="0.001")
    running.feed(2000)
    third = running.start(None, SLEEP="0.001")
    wait_until(lambda: running.restores(third), 60, running.log.read_text)
    third.terminate()
    assert third.wait(10) == ExitCode.OK
    running.feed(1000)
    running.wait()
    running.check()


def test_a_paused_worker_that_wakes_up_overwrites_nothing(running: Run) -> None:
    zombie = running.start(None, SLEEP="0.002")
    running.feed(2000)
    wait_until(lambda: running.outputs() > 100, 60, running.log.read_text)
    zombie.send_signal(signal.SIGSTOP)
    running.start(None)
    running.feed(500)
    running.wait()
    zombie.send_signal(signal.SIGCONT)
    assert ExitCode(zombie.wait(40)).is_transient
    running.check()


@pytest.mark.parametrize("point", ["after_flush", "before_commit"])
def test_a_worker_stopped_inside_a_transaction_is_fenced(
    running: Run, tmp_path: Path, point: str
) -> None:
    fault = tmp_path / "fault"
    zombie = running.start(None, STREAMS_RUNTIME_FAULTS=f"{point}={fault}")
    running.feed(300)
    running.wait()
    fault.write_text("SIGSTOP")
    running.feed(300)
    wait_until(lambda: not fault.exists(), 20)
    running.start(None)
    running.wait(90)
    zombie.send_signal(signal.SIGCONT)
    assert zombie.wait(60) != ExitCode.OK
    running.check()


def test_a_worker_stopped_in_its_restore_writes_nothing_of_what_it_read(
    running: Run, tmp_path: Path
) -> None:
    before = running.start(None)
    running.feed(300)
    running.wait()
    before.terminate()
    assert before.wait(10) == ExitCode.OK
    fault = tmp_path / "fault"
    fault.write_text("SIGSTOP")
    zombie = running.start(None, STREAMS_RUNTIME_FAULTS=f"restore_reads={fault}")
    running.feed(300)
    wait_until(lambda: not fault.exists(), 20, running.log.read_text)
    running.start(None, SLEEP="0.001")
    running.wait(90)
    zombie.send_signal(signal.SIGCONT)
    running.feed(3000, seconds=3)  # while it wakes up and finds its partitions gone
    running.wait(90)
    running.check()


def test_a_restart_with_the_same_slot_takes_over_at_once(running: Run) -> None:
    first = running.start("a", SLEEP="0.001")
    running.feed(1000)
    wait_until(lambda: running.outputs() > 50, 60, running.log.read_text)
    first.kill()
    first.wait()
    running.start("a")
    running.wait(30)
    running.check()


@pytest.mark.parametrize("more", [100, 3000], ids=["idle", "inside transactions"])
def test_two_processes_on_one_slot_end_with_their_own_code(running: Run, more: int) -> None:
    first = running.start("a", SLEEP="0.002")
    running.feed(100)
    running.wait()
    running.start("a")
    running.feed(more)
    wait_until(lambda: first.poll() is not None, 40, running.log.read_text)
    assert first.returncode == ExitCode.SLOT_CONFLICT
    assert not ExitCode.SLOT_CONFLICT.is_transient
    running.wait()
    running.check()


def test_an_exception_commits_nothing_of_its_transaction_and_logs_no_payload(
    running: Run,
) -> None:
    running.feed(400)
    worker = running.start("a", RAISE_AT="250", COMMIT_MS="5000")
    assert worker.wait(40) == ExitCode.AGENT_FAILED
    assert running.outputs() == 0
    assert "planted-payload" not in running.log.read_text()
    assert "counting.py" in running.log.read_text(), "the place is named"
    running.start("a")
    running.wait()
    running.check()


def test_a_send_outside_an_event_is_refused(running: Run) -> None:
    running.start("a", OUTSIDE="1")
    wait_until(lambda: "REFUSED a send outside an event" in running.log.read_text(), 30)


def test_sigterm_ends_within_ten_seconds(running: Run) -> None:
    worker = running.start("a")
    running.feed(100)
    running.wait()
    worker.terminate()
    assert worker.wait(10) == ExitCode.OK


def test_a_worker_that_a_backlog_keeps_busy_leaves_in_time_too(running: Run) -> None:
    worker = running.start("a", BUSY="0.02")  # a batch of a thousand would take twenty seconds
    running.feed(3000)
    wait_until(lambda: running.outputs() > 0, 60, running.log.read_text)
    worker.terminate()
    assert worker.wait(15) == ExitCode.OK, running.log.read_text()
    assert 0 < running.outputs() < 1000, "what it had done is committed, the rest is left"
    running.start("a")
    running.wait()
    running.check()


def test_what_a_worker_still_has_is_not_read_again(running: Run) -> None:
    host = running.start("a")
    running.feed(2000)
    running.wait()
    guest = running.start(None)
    wait_until(
        lambda: len(running.restores(host)) >= 2 and running.restores(guest),
        60,
        running.log.read_text,
    )
    running.feed(200)
    running.wait()
    guest.terminate()
    assert guest.wait(10) == ExitCode.OK
    wait_until(lambda: len(running.restores(host)) >= 3, 60, running.log.read_text)
    kept, records = running.restores(host)[-1]
    assert kept == 4, "the stores of two partitions never went, those of two came back"
    assert 0 < records <= 200, "of those two, only what the guest wrote was read"
    running.feed(200)
    running.wait()
    running.check()
