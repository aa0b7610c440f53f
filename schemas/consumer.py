"""What a subscriber needs between its Kafka client and its own code: ``parse`` and ``Record``.

Invariant: nothing that a later release of ours may publish makes ``parse`` fail. It fails for what
is no event of ours at all, and says which record that is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Optional, TypeVar

from .conversion import ConversionV1, read_conversion
from .lifecycle import Event, read_lifecycle

Read = TypeVar("Read")

#: Names of the topics that are made for subscribers; an installation may put a prefix before them.
EVENTS = "checkout-recovery.events.v1"
CONVERSION = "checkout-recovery.conversion.v1"
#: How long the events are kept. A reader that begins anew sees all of them again, so the memory of
#: what was done must be at least as long.
EVENTS_RETENTION = timedelta(days=45)


class UnreadableRecordError(ValueError):
    """It is no record of ours: put it aside, tell us, and go on with the next one.

    The message has the record's place and the fields that are wrong, never their contents.
    """


@dataclass(frozen=True)
class Record:
    """A Kafka record, whatever client read it. Header names are unique in our topics."""

    key: Optional[bytes]
    value: Optional[bytes]
    headers: dict[str, bytes] = field(default_factory=dict)
    topic: str = EVENTS
    partition: int = 0
    offset: int = 0

    @classmethod
    def of(cls, message: Any) -> Record:  # noqa: ANN401  # of any client
        """The record that a client gave: confluent-kafka (methods), aiokafka or kafka-python."""
        return cls(
            key=_part(message, "key"),
            value=_part(message, "value"),
            headers=dict(_part(message, "headers") or ()),
            topic=_part(message, "topic"),
            partition=_part(message, "partition"),
            offset=_part(message, "offset"),
        )

    @property
    def event_id(self) -> Optional[str]:
        """The header ``ce_id``: known without reading the value."""
        found = self.headers.get("ce_id")
        return None if found is None else found.decode()


def parse(record: Record) -> Optional[Event]:
    """The lifecycle event in a record of ``checkout-recovery.events.v1``.

    None for a type that this release does not know: skip it. Unknown fields are left out.

    Raises:
        UnreadableRecordError: the value is no lifecycle event.
    """
    return _read(record, read_lifecycle)


def parse_conversion(record: Record) -> ConversionV1:
    """The rates in a record of ``checkout-recovery.conversion.v1``; unknown fields are left out.

    Raises:
        UnreadableRecordError: the value is no conversion record.
    """
    return _read(record, read_conversion)


def _read(record: Record, reader: Callable[[bytes], Read]) -> Read:
    place = f"{record.topic}[{record.partition}]@{record.offset}"
    if record.value is None:
        raise UnreadableRecordError(f"{place}: it has no value")
    try:
        return reader(record.value)
    except ValueError as error:
        raise UnreadableRecordError(f"{place}: {_without_contents(error)}") from None


def _without_contents(error: ValueError) -> str:
    """What is wrong and where; pydantic's own text would quote the buyer's data."""
    details = getattr(error, "errors", None)
    if details is None:
        return "not a JSON object of ours"
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in details())


def _part(message: Any, name: str) -> Any:  # noqa: ANN401  # of any client
    part = getattr(message, name)
    return part() if callable(part) else part
