"""Tells how long a request may have waited for the event loop before its turn came.

A request waits unseen in its socket while the loop works through those before it, and a clock that
starts at its turn calls a late answer quick. The loop looks at its timers and then at all its
sockets, round by round, and the timer here beats in every round of 10 ms and more: what is read now
came after the beat before the last one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_BEAT_SECONDS: Final = 0.01


class Pulse:
    """A timer on the running loop. Times are ``time.monotonic()``'s, in seconds."""

    def __init__(self) -> None:
        #: What is read now came at this time or later: two beats ago at most on an idle loop.
        self.earliest_arrival = self.last = time.monotonic()
        #: Of beats.
        self.count = 0
        self._calls: list[Callable[[float], None]] = []
        self._loop = asyncio.get_running_loop()
        self._beat_again()

    def call(self, function: Callable[[float], None]) -> None:
        """Call it with the time at every beat from now on."""
        self._calls.append(function)

    def round_seconds(self, now: float) -> float:
        """How long the loop has been at work without looking at its timers."""
        return now - self.last

    def beat(self, now: float) -> None:
        """The loop has looked at its timers at this time."""
        self.earliest_arrival, self.last = self.last, now
        self.count += 1
        for function in self._calls:
            function(now)

    def _beat_again(self) -> None:
        self._loop.call_later(_BEAT_SECONDS, self._beat_again)
        self.beat(time.monotonic())
