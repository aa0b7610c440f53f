"""Named points at which a test may stop or kill the process.

Off unless the environment variable ``STREAMS_RUNTIME_FAULTS`` holds ``point=path``; when the file
``path`` exists, the process removes it and sends itself the signal that the file names.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

_VARIABLE = "STREAMS_RUNTIME_FAULTS"
_PATHS = dict(
    entry.split("=", 1) for entry in os.environ.get(_VARIABLE, "").split(",") if "=" in entry
)


def fault_point(name: str) -> None:
    """Do nothing, unless a test asked for a fault at this point."""
    path = _PATHS.get(name)
    if path is None or not Path(path).exists():
        return
    number = signal.Signals[Path(path).read_text("utf-8").strip() or "SIGKILL"]
    Path(path).unlink()
    os.kill(os.getpid(), number)
    time.sleep(0.5)  # a signal to oneself is delivered soon, not at once
