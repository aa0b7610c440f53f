"""Keeps answers for a while, and lets whoever asks for the same meanwhile wait for one computation.

Invariant: an answer is kept under everything that it depends on; who may not see the same has
another key.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

_MOST: Final = 1_000


class Kept:
    """Bodies of answers; those that were not asked for longest go first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[float, asyncio.Task[bytes]]] = OrderedDict()

    async def get(
        self, key: Hashable, compute: Callable[[], Awaitable[bytes]], *, seconds: float
    ) -> bytes:
        """What ``compute`` gives; for ``seconds`` it is not asked again. Failures are not kept."""
        now = time.monotonic()
        until, task = self._known.pop(key, (0.0, None))
        if task is None or now >= until:
            task = asyncio.ensure_future(_run(compute))
            until = now + seconds
        self._known[key] = until, task
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        try:
            # one that goes away takes the computation from nobody else
            return await asyncio.shield(task)
        except BaseException:
            if task.done() and self._known.get(key, (0.0, None))[1] is task:
                del self._known[key]
            raise


async def _run(compute: Callable[[], Awaitable[bytes]]) -> bytes:
    return await compute()
