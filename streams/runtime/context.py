"""Which event the running agent is in the middle of, and what it has done so far.

Invariant: ``event`` is None between events, so nothing can join a transaction by accident.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

#: The positional arguments of ``confluent_kafka.Producer.produce``.
Record = tuple[Any, ...]


class EventScope:
    """An agent's event in progress: its partition, and the records that it sends or changes.

    ``is_muted``: the event was processed before and only rebuilds state, so its sends are dropped.
    """

    __slots__ = ("event", "is_muted", "partition", "records")

    def __init__(self) -> None:
        self.event: object | None = None
        self.partition = -1
        self.is_muted = False
        self.records: list[Record] = []


#: The scope of the agent that runs in this task.
current_scope: ContextVar[EventScope | None] = ContextVar("current_scope", default=None)


class OutsideEventError(RuntimeError):
    """Something that belongs to an event's transaction was done outside any event."""


def event_in_progress(what: str) -> EventScope:
    """The scope of the event in progress.

    Raises:
        OutsideEventError: there is none; ``what`` was attempted from a timer, a task or a thread.
    """
    scope = current_scope.get()
    if scope is None or scope.event is None:
        raise OutsideEventError(
            f"{what} outside an event: it would belong to no transaction. Do it in the body of "
            "an agent's loop, or use a producer of your own."
        )
    return scope
