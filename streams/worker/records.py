"""What an agent hands to the transaction for one event."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Target(Enum):
    """The topics that the agents write to."""

    EVENTS = "checkout-recovery.events.v1"
    FACTS = "checkout-recovery.conversion-facts.v1"
    CONVERSION = "checkout-recovery.conversion.v1"
    DEAD_LETTERS = "checkout-recovery.dead-letters.v1"


class Incoming(NamedTuple):
    """A record as an agent received it; ``timestamp_ms`` is Kafka's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    timestamp_ms: int


class Outgoing(NamedTuple):
    """A record to publish within the event's transaction."""

    target: Target
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
