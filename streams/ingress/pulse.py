"""Tells how long a request may have waited for the event loop before its turn came.

A request waits unseen while the loop works through those before it, and a clock that starts at
its turn calls a late answer quick. The loop runs what it was handed in rounds, and the timer here
beats in every round, so what runs now was handed over after the beat before the last one.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

_BEAT_SECONDS: Final = 0.01


class Pulse:
    """A timer on the running loop. Times are ``time.monotonic()``'s, in seconds."""

    def __init__(self) -> None:
        #: What runs now arrived at this time or later: at most two beats ago on an idle loop.
        self.earliest_arrival = self._last = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._beat()

    def round_seconds(self, now: float) -> float:
        """How long the loop has been at work without looking at its timers."""
        return now - self._last

    def _beat(self) -> None:
        self.earliest_arrival, self._last = self._last, time.monotonic()
        self._loop.call_later(_BEAT_SECONDS, self._beat)
