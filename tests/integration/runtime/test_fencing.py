"""Who takes over does not wait for the transaction timeout of an owner that is gone."""

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

#: Far longer than the test waits.
LONG = {"TRANSACTION_MS": "600000"}


@pytest.mark.parametrize("point", ["after_flush", "before_commit"])
def test_a_dead_owners_open_transaction_is_ended_by_its_successor(
    running: Run, tmp_path: Path, point: str
) -> None:
    """Before its offsets are sent the changelog is open, after it the offsets are, too."""
    fault = tmp_path / "fault"
    worker = running.start("a", STREAMS_RUNTIME_FAULTS=f"{point}={fault}", **LONG)
    running.feed(300)
    running.wait()
    fault.write_text("SIGKILL")
    running.feed(300)
    assert worker.wait(30) == -signal.SIGKILL
    running.start("b", **LONG)
    running.wait(60)
    running.check()
    assert "transaction_of_a_gone_owner_ended" in running.log.read_text()


def test_an_owner_that_only_slept_ends_as_one_that_may_be_restarted(
    running: Run, tmp_path: Path
) -> None:
    fault = tmp_path / "fault"
    sleeper = running.start("a", STREAMS_RUNTIME_FAULTS=f"before_commit={fault}", **LONG)
    running.feed(300)
    running.wait()
    fault.write_text("SIGSTOP")
    running.feed(300)
    wait_until(lambda: not fault.exists(), 30)
    running.start("b", **LONG)
    running.wait(60)
    sleeper.send_signal(signal.SIGCONT)
    assert ExitCode(sleeper.wait(60)).is_transient
    running.check()
