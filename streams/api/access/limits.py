"""Limits of requests: a bucket for each name, filled evenly, that holds a minute's worth."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

_MOST_NAMES: Final = 10_000


class Limits:
    """Counts requests by name, in this process. Names that were quiet longest are forgotten.

    A name that is forgotten begins with a full bucket: more names than are remembered would have
    to ask within a minute before any of them gained by it.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, *, per_minute: int, now: float) -> int:
        """Count one request; 0 if it is within the limit, else the seconds to wait."""
        left, since = self._buckets.pop(name, (float(per_minute), now))
        left = min(float(per_minute), left + (now - since) * per_minute / 60)
        wait = 0 if left >= 1 else max(1, math.ceil((1 - left) * 60 / per_minute))
        self._buckets[name] = (left if wait else left - 1, now)
        if len(self._buckets) > _MOST_NAMES:
            self._buckets.popitem(last=False)
        return wait
