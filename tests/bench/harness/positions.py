"""How far a consumer group has committed, asked again and again over one connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_SECONDS: Final = 20


class Positions:
    """Of one group; joins nothing, commits nothing."""

    def __init__(self, client: Mapping[str, str | int | float | bool], group: str) -> None:
        self._partitions: dict[str, list[int]] = {}
        self._reader = Consumer(
            {
                **client,
                "group.id": group,
                "enable.auto.commit": False,
                "isolation.level": "read_uncommitted",  # else an open transaction is an error
            }
        )

    def committed(self, topic: str) -> int:
        """Offsets of all partitions together; 0 for those without."""
        return sum(max(0, item.offset) for item in self._committed([topic]))

    def behind(self, topics: Sequence[str]) -> int:
        """What is not committed past; control records are counted too."""
        found = 0
        for item in self._committed(topics):
            low, high = self._reader.get_watermark_offsets(
                TopicPartition(item.topic, item.partition), timeout=_SECONDS
            )
            found += high - (item.offset if item.offset >= 0 else low)
        return found

    def _committed(self, topics: Sequence[str]) -> list[TopicPartition]:
        partitions = [
            TopicPartition(topic, number) for topic in topics for number in self._numbers(topic)
        ]
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                found: list[TopicPartition] = self._reader.committed(partitions, timeout=_SECONDS)
            except KafkaException as error:
                # a broker that has just started has no coordinator yet
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return found

    def _numbers(self, topic: str) -> list[int]:
        """Asked for once: a question every 20 ms is a load."""
        if topic not in self._partitions:
            known = self._reader.list_topics(topic, timeout=_SECONDS).topics[topic]
            self._partitions[topic] = list(known.partitions)
        return self._partitions[topic]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.close()
