"""A record of a topic, as the model takes it."""

from __future__ import annotations

from typing import NamedTuple

Headers = list[tuple[str, bytes | None]]


class UnreadableRecordError(Exception):
    """A record of our own topics that this release can't read, and so leaves out."""


class Place(NamedTuple):
    """A partition of a topic; the topic's name is without the installation's prefix."""

    topic: str
    partition: int


class Record(NamedTuple):
    """A record as it is in Kafka."""

    place: Place
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
