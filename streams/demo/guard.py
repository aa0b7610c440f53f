"""Runs one command and makes sure that it ends when whoever asked for it is gone.

Started as a script by ``streams.demo.children``; standard library only, so that it starts fast.
Its standard input is a pipe that the asker holds open: end of file means that the asker has ended,
even by SIGKILL. Then, and when the command ends, nothing of the command's process group remains.
Should the guard itself be killed, Linux kills the command (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import select
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.1


def _die_with(guard: int) -> None:
    """Linux sends the signal when the thread that forked ends: the guard has no other."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:  # it ended before we asked
            os._exit(1)


def main(report: int, grace_seconds: float, command: list[str]) -> int:
    """Run ``command``; its pid is written to the file descriptor ``report``. Its exit code."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen(  # noqa: S603  # what the asker asked for
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=functools.partial(_prepare, os.getpid()),  # noqa: PLW1509  # one thread
    )
    with contextlib.suppress(BrokenPipeError):  # the asker has ended: the loop below sees it
        os.write(report, f"{child.pid}\n".encode())
    os.close(report)
    while child.poll() is None:
        readable, _, _ = select.select([0], [], [], _POLL_SECONDS)
        if readable and not os.read(0, 1):
            child.terminate()
            deadline = time.monotonic() + grace_seconds
            while child.poll() is None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS / 2)
            break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _prepare(guard: int) -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _die_with(guard)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
