"""Reads the committed positions of source partitions, with the notes beside them.

By a consumer that never joins: an admin client of librdkafka 2.8 crashes in this request where the
coordinator has moved or is being loaded (librdkafka's issue 5040).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.runtime.extents import Note

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.runtime.extents import Partition
    from streams.runtime.settings import RuntimeSettings

#: Short: a rebalance has to wait for it.
_REQUEST_SECONDS: Final = 2

Positions = dict["Partition", tuple[int, Note]]


class UnstableError(Exception):
    """The positions are not known for sure: Kafka is silent, or a transaction may change them."""


class CommittedPositions:
    """A connection to ask with; ``close`` it."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self._stable: Consumer | None = None

    def stable(self, sources: Collection[Partition]) -> Positions:
        """Offsets that no open transaction can change any more; negative: none is committed.

        Raises:
            UnstableError: try again; says why.
        """
        if self._stable is None:
            self._stable = self._consumer("read_committed")  # and so only stable offsets
        try:
            return self._ask(self._stable, sources)
        except KafkaException as error:
            raise UnstableError(str(error)) from error

    def last_owners(self, sources: Collection[Partition]) -> set[str]:
        """Who committed last, as far as is known; also where a transaction is open."""
        asker = self._consumer("read_uncommitted")
        try:
            return {note.owner for _, note in self._ask(asker, sources).values()} - {""}
        except (KafkaException, UnstableError):
            return set()
        finally:
            asker.close()

    def close(self) -> None:
        """End the connection."""
        if self._stable is not None:
            self._stable.close()
            self._stable = None

    def _consumer(self, isolation: str) -> Consumer:
        return Consumer(
            {
                **self._settings.client,
                "group.id": self._settings.group,
                "enable.auto.commit": False,
                "isolation.level": isolation,
                "log_level": 3,
            }
        )

    def _ask(self, consumer: Consumer, sources: Collection[Partition]) -> Positions:
        wanted = [TopicPartition(*source) for source in sorted(sources)]
        found = consumer.committed(wanted, _REQUEST_SECONDS)
        for item in found:
            if item.error:
                raise UnstableError(str(item.error))
        return {
            (item.topic, item.partition): (item.offset, Note.decode(item.metadata))
            for item in found
        }
