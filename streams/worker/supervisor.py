"""The supervising parent of a worker: one child, restarted when that is the cure.

Exits that a restart cures are documented in ``streams.runtime.exits``: those come back at once with
jitter, slower when they come in a row. A poison storm, a lost changelog or a slot conflict would
only come again, so they end the supervisor with the child's code.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import structlog

from streams.runtime import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 15.0
#: A child that ran for so long counts as recovered: restarts are rare enough without a pause. With
#: 60 s here, a broker that failed every 40 s kept workers away for 15 s more each time.
_STEADY_SECONDS: Final = _LONGEST_PAUSE_SECONDS
_GRACE_SECONDS: Final = 9.0


def supervise(arguments: Sequence[str] = ()) -> int:
    """Run a worker until SIGTERM or SIGINT; the exit code of its last child.

    The child gets our environment, ``arguments`` and a pipe; it ends when the pipe does, so it
    never outlives us.
    """
    supervisor = _Supervisor(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    return supervisor.run()


class _Supervisor:
    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._failures = 0

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    def run(self) -> int:
        while True:
            started = time.monotonic()
            code = self._run_child()
            if self._stopping.is_set():
                return code
            if not should_restart(code):
                log.error("worker_not_restarted", code=code, meaning=_meaning(code))
                return code
            if time.monotonic() - started > _STEADY_SECONDS:
                self._failures = 0
            self._failures += 1
            seconds = pause(self._failures, jitter=random.random())  # noqa: S311  # spread, not secret
            log.warning(
                "worker_restarts", code=code, meaning=_meaning(code), in_seconds=round(seconds, 2)
            )
            if self._stopping.wait(seconds):
                return ExitCode.OK

    def _run_child(self) -> int:
        read_end, write_end = os.pipe()
        try:
            self._child = child = subprocess.Popen(  # noqa: S603  # ourselves
                [
                    *(sys.executable, "-m", "streams", "worker"),
                    *("--child", str(read_end)),
                    *self._arguments,
                ],
                pass_fds=(read_end,),
                stdin=subprocess.DEVNULL,
            )
            os.close(read_end)
            log.info("worker_started", pid=child.pid)
            while True:
                is_stopping = self._stopping.is_set()  # asked once: it may be set during the wait
                try:
                    return _code(child.wait(_GRACE_SECONDS if is_stopping else 0.5))
                except subprocess.TimeoutExpired:
                    if is_stopping:
                        child.kill()
        finally:
            os.close(write_end)


def should_restart(code: int) -> bool:
    """Whether a restart cures this end. Signals and crashes are cured; a clean end needs none."""
    if code == ExitCode.OK:
        return False
    try:
        return ExitCode(code).is_transient
    except ValueError:
        return True


def pause(failures: int, *, jitter: float) -> float:
    """Seconds before the next start: at once at first, doubling when failures come in a row."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1))
    return longest * (0.5 + jitter / 2)


def _code(returned: int) -> int:
    return returned if returned >= 0 else 128 - returned


def _meaning(code: int) -> str:
    try:
        return ExitCode(code).meaning
    except ValueError:
        return "ended by a signal or a crash"
