"""When a supervisor starts its worker again, and when not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.runtime import ExitCode
from streams.worker import supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence


class Restarts:
    """A supervisor whose children live for so many seconds each; what it waits between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lives: Sequence[tuple[float, int]]) -> None:
        self._now = 0.0
        self._lives = list(lives)
        self.pauses: list[float] = []
        monkeypatch.setattr("time.monotonic", lambda: self._now)
        monkeypatch.setattr("random.random", lambda: 1.0)
        self._supervisor = supervisor._Supervisor(())  # noqa: SLF001  # its loop, without processes
        monkeypatch.setattr(self._supervisor, "_run_child", self._live)
        monkeypatch.setattr(self._supervisor._stopping, "wait", self._wait)  # noqa: SLF001
        self.code = self._supervisor.run()

    def _live(self) -> int:
        seconds, code = self._lives.pop(0)
        self._now += seconds
        return code

    def _wait(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self._now += seconds
        return not self._lives  # stopped when there is no life left


def test_failures_in_a_row_wait_twice_as_long_each_and_fifteen_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = Restarts(monkeypatch, [(2, ExitCode.WATCHDOG)] * 9)
    assert seen.pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15, 15])


def test_a_worker_that_lived_for_longer_than_the_longest_pause_is_back_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = Restarts(
        monkeypatch, [*[(2, ExitCode.WATCHDOG)] * 6, *[(16, ExitCode.MEMBERSHIP_LOST)] * 3]
    )
    assert seen.pauses[-3:] == pytest.approx([0.2, 0.2, 0.2])


@pytest.mark.parametrize("code", [ExitCode.CHANGELOG_LOST, ExitCode.POISON_STORM])
def test_what_a_person_has_to_mend_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch, code: ExitCode
) -> None:
    seen = Restarts(monkeypatch, [(2, ExitCode.WATCHDOG), (2, code), (2, ExitCode.OK)])
    assert seen.code == code
    assert len(seen.pauses) == 1


def test_a_child_that_a_signal_ended_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Restarts(monkeypatch, [(2, 137), (2, ExitCode.OK)]).pauses == pytest.approx([0.2])
