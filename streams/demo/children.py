"""Child processes that never outlive us, also when we are killed: see ``streams.demo.guard``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_GUARD: Final = Path(__file__).with_name("guard.py")
#: What a child gets between our death and its own, in seconds.
_ORPHAN_GRACE: Final = 3.0


class Child:
    """A running command. ``pid`` is its own, not its guard's.

    Whoever starts children must not ``os.fork`` without ``exec``: the copy would hold the pipe by
    which the guards see that we live.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start ``command`` with both outputs appended to ``log``.

        Raises:
            OSError: the command can't be started.
        """
        self.command = [str(part) for part in command]
        self.log = log
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb") as report:
            try:
                with log.open("ab") as output:
                    self._guard = subprocess.Popen(  # noqa: S603  # our own guard
                        [
                            *(sys.executable, "-I", "-S", str(_GUARD)),
                            *(str(write_end), str(_ORPHAN_GRACE)),
                            *self.command,
                        ],
                        stdin=subprocess.PIPE,
                        stdout=output,
                        stderr=output,
                        env=None if env is None else dict(env),
                        cwd=cwd,
                        pass_fds=(write_end,),
                        start_new_session=True,
                    )
            finally:
                os.close(write_end)
            line = report.readline()
        if not line:
            self._reap()
            raise OSError(f"could not start {self.command[0]}; see {log}")
        self.pid = int(line)

    def poll(self) -> int | None:
        """The exit code, 128 + the signal if one ended it; None while it runs."""
        code = self._guard.poll()
        if code is not None:
            self._let_go()
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command; nothing if it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout_seconds: float) -> int | None:
        """The exit code, or None if it still runs after that time."""
        with suppress(subprocess.TimeoutExpired):
            self._guard.wait(timeout_seconds)
        return self.poll()

    def stop(self, grace_seconds: float = 8.0) -> int:
        """SIGTERM, and SIGKILL to what is left after the grace. The exit code."""
        return stop_all([self], grace_seconds=grace_seconds)[0]

    def kill(self) -> int:
        """SIGKILL. The exit code."""
        self.signal(signal.SIGKILL)
        return self._reap()

    def _reap(self) -> int:
        code = self._guard.wait()
        self._let_go()
        return code

    def _let_go(self) -> None:
        """Close our end of the pipe; the guard has ended."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()


def stop_all(children: Iterable[Child], *, grace_seconds: float = 8.0) -> list[int]:
    """Stop children together: SIGTERM to all, one grace for all, then SIGKILL. Their codes."""
    running = list(children)
    for child in running:
        child.signal(signal.SIGTERM)
        child.signal(signal.SIGCONT)  # a frozen one could not hear
    deadline = time.monotonic() + grace_seconds
    codes = []
    for child in running:
        if child.wait(max(0.0, deadline - time.monotonic())) is None:
            child.kill()
        codes.append(child._reap())  # noqa: SLF001  # same module
    return codes
