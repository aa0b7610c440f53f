"""What runs, seen from outside: by /proc where there is one, for a bare machine may have no ps."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc/self/stat")


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    if _PROC.exists():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state != "Z"
    answer = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],  # noqa: S607  # POSIX
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.returncode == 0 and not answer.stdout.strip().startswith("Z")


def processes_naming(text: str) -> list[int]:
    """Pids of the processes whose command line has this text."""
    if _PROC.exists():
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                if text in line.decode("utf-8", "replace"):
                    found.append(int(entry.name))
        return found
    answer = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="],  # noqa: S607  # POSIX
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(line.split()[0]) for line in answer.stdout.splitlines() if text in line]
