"""Reads whole topics as a subscriber does: read_committed, from the beginning to the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, TopicPartition

from streams.adapters.kafka import client_config
from streams.adapters.reading import read_to_end

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

    from streams.config import Settings

_SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record as it stands in the log."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Logs:
    """The topics, read to their ends, each in the order of partition and offset."""

    source: Sequence[LogRecord]
    facts: Sequence[LogRecord]
    events: Sequence[LogRecord]
    conversion: Sequence[LogRecord]
    dead_letters: Sequence[LogRecord]


def read_logs(settings: Settings) -> Logs:
    """All topics of an installation. Ticks go on meanwhile, so the facts are read last.

    Raises:
        ClusterError: a topic's end could not be reached.
    """
    found = {
        name: read_topic(client_config(settings), settings.topic(topic))
        for name, topic in (
            ("source", "wix.abandoned-checkouts.v1"),
            ("events", "checkout-recovery.events.v1"),
            ("dead_letters", "checkout-recovery.dead-letters.v1"),
            ("conversion", "checkout-recovery.conversion.v1"),
            ("facts", "checkout-recovery.conversion-facts.v1"),
        )
    }
    return Logs(**found)


def read_topic(client: Mapping[str, str | int | float | bool], topic: str) -> list[LogRecord]:
    """All committed records, in the order of partition and offset.

    Raises:
        ClusterError: the topic's end could not be reached.
    """
    found = [_record(topic, message) for message in read_to_end(client, topic)]
    return sorted(found, key=lambda record: (record.partition, record.offset))


def lag(client: Mapping[str, str | int | float | bool], group: str, topics: Sequence[str]) -> int:
    """Records that the group has not committed past; control records are counted too.

    Raises:
        KafkaException: Kafka can't be asked.
    """
    reader = Consumer(
        {
            **client,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",  # else an open transaction would be an error
        }
    )
    try:
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in reader.list_topics(topic, timeout=_SECONDS).topics[topic].partitions
        ]
        behind = 0
        for item in reader.committed(partitions, _SECONDS):
            low, high = reader.get_watermark_offsets(
                TopicPartition(item.topic, item.partition), timeout=_SECONDS
            )
            behind += high - (item.offset if item.offset >= 0 else low)
        return behind
    finally:
        reader.close()


def _record(topic: str, message: Message) -> LogRecord:
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return LogRecord(
        topic,
        message.partition() or 0,
        message.offset() or 0,
        (message.key() or b"").decode("utf-8", "replace"),
        message.value() or b"",
        {name: _text(value) for name, value in pairs},
    )


def _text(value: str | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
