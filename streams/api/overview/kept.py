"""Keeps answers for a while, and lets whoever asks for the same meanwhile wait for one computation.

Invariant: an answer is kept under everything that it depends on; who may not see the same has
another key.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

_MOST: Final = 1_000
_LONGEST_SECONDS: Final = 60.0


@dataclass(slots=True, eq=False)
class _Entry:
    task: asyncio.Task[bytes]
    until: float


class Kept:
    """Bodies of answers; those that were not asked for longest go first.

    With ``times_its_cost`` what takes long is kept longer: 20 leaves it a twentieth of the time.
    """

    def __init__(self, *, times_its_cost: int = 0) -> None:
        self._times_its_cost = times_its_cost
        self._known: OrderedDict[Hashable, _Entry] = OrderedDict()

    async def get(
        self, key: Hashable, compute: Callable[[], Awaitable[bytes]], *, seconds: float
    ) -> bytes:
        """What ``compute`` gives; for ``seconds`` it is not asked again. Failures are not kept."""
        now = time.monotonic()
        entry = self._known.pop(key, None)
        if entry is None or now >= entry.until:
            entry = _Entry(asyncio.ensure_future(_run(compute)), now + seconds)
            entry.task.add_done_callback(_prolong(entry, now, self._times_its_cost))
        self._known[key] = entry
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        try:
            # one that goes away takes the computation from nobody else
            return await asyncio.shield(entry.task)
        except BaseException:
            if entry.task.done() and self._known.get(key) is entry:
                del self._known[key]
            raise


async def _run(compute: Callable[[], Awaitable[bytes]]) -> bytes:
    return await compute()


def _prolong(
    entry: _Entry, begun: float, times_its_cost: int
) -> Callable[[asyncio.Task[bytes]], None]:
    def prolong(_task: asyncio.Task[bytes]) -> None:
        took = time.monotonic() - begun
        more = min(_LONGEST_SECONDS, times_its_cost * took)
        entry.until = max(entry.until, begun + more)

    return prolong
