"""Reads a whole topic as a subscriber does: committed records only, up to its present end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from streams.adapters.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  # librdkafka's public code
_REQUEST_SECONDS: Final = 20
_POLL_SECONDS: Final = 0.1
#: A reader that gets neither a record nor an end for so long is replaced. Seen once with librdkafka
#: 2.16, on a loaded machine and a broker just started, for five minutes; the cause was not found.
_STANDS_STILL_SECONDS: Final = 15
_READERS: Final = 4


def read_to_end(
    client: Mapping[str, str | int | float | bool], topic: str, *, since: datetime | None = None
) -> Iterator[Message]:
    """The records of all partitions, in order within each; of those since an instant, if given.

    ``client`` is librdkafka's configuration: brokers and security. Commits nothing, joins no group.

    Raises:
        ClusterError: the topic does not exist, or its end can't be reached.
    """
    positions: dict[int, int] | None = None
    left: set[int] = set()
    for _ in range(_READERS):
        reader = Consumer(
            {
                **client,
                "group.id": "checkout-recovery-reading",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
            }
        )
        try:
            if positions is None:
                positions = _starts(reader, topic, since)
                left = set(positions)
            reader.assign([TopicPartition(topic, number, positions[number]) for number in left])
            last = time.monotonic()
            while left and time.monotonic() - last < _STANDS_STILL_SECONDS:
                for message in reader.consume(1_000, _POLL_SECONDS):
                    last = time.monotonic()
                    number, error = message.partition() or 0, message.error()
                    if error is None:
                        positions[number] = (message.offset() or 0) + 1
                        yield message
                    elif error.code() == _EOF:
                        left.discard(number)
        except KafkaException as error:
            raise ClusterError(f"{topic} can't be read: {error.args[0].str()}") from error
        finally:
            reader.close()
        if not left:
            return
    raise ClusterError(f"{topic} can't be read to its end: partitions {sorted(left)} stand still")


def _starts(reader: Consumer, topic: str, since: datetime | None) -> dict[int, int]:
    known = reader.list_topics(topic, timeout=_REQUEST_SECONDS).topics[topic]
    if known.error is not None:
        raise ClusterError(f"{topic} can't be read: {known.error.str()}")
    if since is None:
        return dict.fromkeys(known.partitions, OFFSET_BEGINNING)
    milliseconds = int(since.timestamp() * 1000)
    asked = [TopicPartition(topic, number, milliseconds) for number in known.partitions]
    found = reader.offsets_for_times(asked, timeout=_REQUEST_SECONDS)
    return {item.partition: item.offset for item in found if item.offset >= 0}
