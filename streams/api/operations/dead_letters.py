"""Counts dead letters of the last day by reason. Their values may be personal and are not read.

One thread uses it. What was counted is kept by the minute, so a storm takes no more memory.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.adapters.cluster import why
from streams.adapters.errors import ClusterError
from streams.adapters.kafka import client_config
from streams.adapters.topics import API_GROUP, DEAD_LETTERS

if TYPE_CHECKING:
    from confluent_kafka import Message

    from streams.config import Settings

_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  # librdkafka's public code
_DAY: Final = timedelta(hours=24)
_MINUTE_MS: Final = 60_000
_REQUEST_SECONDS: Final = 3
_AT_ONCE: Final = 500
_POLL_SECONDS: Final = 0.1
#: So long it goes on at a look; the rest is counted at the next ones.
_LOOK_SECONDS: Final = 0.5


class Why(NamedTuple):
    """What the headers of a dead letter say."""

    reason: str
    stage: str


class Counted(NamedTuple):
    """Of one reason and stage."""

    why: Why
    number: int
    last_at: datetime


class DeadLetterCount:
    """Reads on at each look."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(DEAD_LETTERS)
        self._consumer: Consumer | None = None
        self._left: set[int] = set()
        self._minutes: Counter[tuple[int, Why]] = Counter()
        self._last: dict[Why, int] = {}

    def look(self) -> tuple[list[Counted], bool]:
        """The counts, and whether all of them are counted.

        Raises:
            ClusterError: the topic can't be read.
        """
        consumer = self._consumer or self._open()
        until = time.monotonic() + _LOOK_SECONDS
        try:
            while time.monotonic() < until:
                messages = consumer.consume(_AT_ONCE, _POLL_SECONDS)
                for message in messages:
                    self._take(message)
                if not messages and not self._left:
                    break
        except KafkaException as error:
            self.close()
            raise ClusterError(f"dead letters can't be read: {why(error)}") from None
        return self._counts(), not self._left

    def close(self) -> None:
        """End the connection, and count anew at the next look."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        self._minutes.clear()

    def _open(self) -> Consumer:
        consumer = Consumer(
            {
                **client_config(self._settings),
                "group.id": self._settings.topic(API_GROUP + "dead-letters"),  # nobody joins it
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": 4_096,
                "log_level": 3,
            }
        )
        since = int((datetime.now(UTC) - _DAY).timestamp() * 1000)
        try:
            known = consumer.list_topics(self._topic, timeout=_REQUEST_SECONDS).topics[self._topic]
            asked = [TopicPartition(self._topic, number, since) for number in known.partitions]
            # where nothing is so new, this is the end
            consumer.assign(consumer.offsets_for_times(asked, timeout=_REQUEST_SECONDS))
        except KafkaException as error:
            consumer.close()
            raise ClusterError(f"dead letters can't be read: {why(error)}") from None
        self._left = set(known.partitions)
        self._consumer = consumer
        return consumer

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() == _EOF:
                self._left.discard(message.partition() or 0)
                return
            raise KafkaException(error)
        headers: list[tuple[str, Any]] = message.headers() or []
        said = {name: value for name, value in headers if name.startswith("dead_letter_")}
        found = Why(_text(said.get("dead_letter_reason")), _text(said.get("dead_letter_stage")))
        at = message.timestamp()[1]
        self._minutes[at // _MINUTE_MS, found] += 1
        self._last[found] = max(self._last.get(found, 0), at)

    def _counts(self) -> list[Counted]:
        oldest = int((datetime.now(UTC) - _DAY).timestamp() * 1000) // _MINUTE_MS
        for key in [key for key in self._minutes if key[0] < oldest]:
            del self._minutes[key]
        counts: Counter[Why] = Counter()
        for (_, found), count in self._minutes.items():
            counts[found] += count
        return [
            Counted(found, count, datetime.fromtimestamp(self._last[found] / 1000, UTC))
            for found, count in counts.most_common()
        ]


def _text(value: bytes | None) -> str:
    return "unknown" if value is None else value.decode("utf-8", "replace")[:64]
