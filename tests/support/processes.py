"""What runs, seen from outside."""

from __future__ import annotations

import subprocess


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    answer = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],  # noqa: S607  # POSIX
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.returncode == 0 and not answer.stdout.strip().startswith("Z")


def processes_naming(text: str) -> list[int]:
    """Pids of the processes whose command line has this text."""
    answer = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="],  # noqa: S607  # POSIX
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(line.split()[0]) for line in answer.stdout.splitlines() if text in line]
