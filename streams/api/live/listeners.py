"""One who listens: what is waiting for it, bounded, and who it is.

Invariant: a listener holds at most so many events; one that does not take them loses them and is
told instead that the numbers have changed, so it asks for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from streams.api.access.short_lived import Grant
    from streams.api.callers import Caller

_MOST_WAITING: Final = 100


def encode_event(name: str, data: bytes) -> bytes:
    """An event (WHATWG HTML, 9.2); JSON of ours has no line breaks."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def encode_as_of(name: str, as_of: str | None) -> bytes:
    """An event that only says how new something is."""
    return encode_event(name, orjson.dumps({"as_of": as_of}))


class Listener:
    """Made for one connection. ``instance_id``: the one site that it looks at; None: all."""

    def __init__(self, caller: Caller, grant: Grant, instance_id: str | None) -> None:
        self.caller = caller
        self.grant = grant
        self.instance_id = instance_id
        self._waiting: deque[bytes] = deque()
        self._has_some = asyncio.Event()
        self._is_over = False

    @property
    def sees_operations(self) -> bool:
        """Whether what concerns every site may be told."""
        return self.caller.sites is None

    def sees(self, instance_id: str, site_id: str | None) -> bool:
        """Whether a site is looked at."""
        if self.instance_id is not None:
            return instance_id == self.instance_id
        return self.caller.sees(instance_id, site_id)

    def put(self, event: bytes, *, instead: bytes) -> bool:
        """Let an event wait; False: too much waits already, so all of it is dropped for another."""
        is_kept = len(self._waiting) < _MOST_WAITING
        if not is_kept:
            self._waiting.clear()
        self._waiting.append(event if is_kept else instead)
        self._has_some.set()
        return is_kept

    def end(self) -> None:
        """Nothing more will come."""
        self._is_over = True
        self._has_some.set()

    async def take(self, *, within_seconds: float) -> bytes | None:
        """All that waits, in one piece; empty if nothing came within that time; None at the end."""
        try:
            await asyncio.wait_for(self._has_some.wait(), within_seconds)
        except TimeoutError:
            return b""
        if self._is_over:
            return None
        self._has_some.clear()
        found = b"".join(self._waiting)
        self._waiting.clear()
        return found
