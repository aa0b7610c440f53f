"""Ends the process when a step takes longer than it may.

Invariant: it is a thread of its own, so it works when the event loop or a librdkafka call hangs
(librdkafka 2.10 and later hang in ``send_offsets_to_transaction`` past their own time limit after
a coordinator was lost).
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streams.runtime.exits import ExitCode, die

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICK_SECONDS = 0.5


class Watchdog:
    """Watches named steps, each with its own limit."""

    def __init__(self) -> None:
        self._deadlines: dict[str, float] = {}
        self._looked = time.monotonic()
        self._longest_sleep = 0.0
        threading.Thread(target=self._watch, daemon=True, name="watchdog").start()

    @contextmanager
    def limit(self, step: str, seconds: float) -> Iterator[None]:
        """The body must be done in ``seconds``, or the process exits with WATCHDOG."""
        self._deadlines[step] = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadlines.pop(step, None)

    def has_slept(self, seconds: float) -> bool:
        """Whether this process did not run for so long at some time: paused, or starved."""
        return max(self._longest_sleep, time.monotonic() - self._looked) >= seconds

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            now = time.monotonic()
            self._longest_sleep = max(self._longest_sleep, now - self._looked)
            self._looked = now
            for step, deadline in list(self._deadlines.items()):
                if now > deadline:
                    die(ExitCode.WATCHDOG, f"{step} took too long", step=step)
