"""Which event the running agent is in the middle of."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.runtime.delivery import BatchStream

#: The stream whose agent runs in this task; its ``event`` is the one in progress.
current_stream: ContextVar[BatchStream | None] = ContextVar("current_stream", default=None)


class OutsideEventError(RuntimeError):
    """Something that belongs to an event's transaction was done outside any event."""


def event_in_progress(what: str) -> BatchStream:
    """The stream of the event in progress.

    Raises:
        OutsideEventError: there is none; ``what`` was attempted from a timer, a task or a thread.
    """
    stream = current_stream.get()
    if stream is None or stream.event is None:
        raise OutsideEventError(
            f"{what} outside an event: it would belong to no transaction. Do it in the body of "
            "an agent's loop, or use a producer of your own."
        )
    return stream
