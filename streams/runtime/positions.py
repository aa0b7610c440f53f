"""Reads where partitions begin and end, and the committed positions, with the notes beside them.

Positions by a consumer that never joins: an admin client of librdkafka 2.8 crashes in this request
where the coordinator has moved or is being loaded (librdkafka's issue 5040).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition

from streams.runtime.extents import Note

if TYPE_CHECKING:
    from collections.abc import Collection

    from confluent_kafka.admin import AdminClient, OffsetSpec

    from streams.runtime.extents import Partition
    from streams.runtime.settings import RuntimeSettings

#: Short: a rebalance has to wait for it.
_REQUEST_SECONDS: Final = 2

_ENDS_SECONDS: Final = 10
#: Not retriable by librdkafka's word, but over when the leader is known.
_PASSING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.KAFKA_STORAGE_ERROR,
    }
)

Positions = dict["Partition", tuple[int, Note]]


class UnstableError(Exception):
    """The positions are not known for sure: Kafka is silent, or a transaction may change them."""


def close_aside(consumer: Consumer) -> None:
    """Close what nobody waits for: librdkafka waits a second for its own threads."""
    threading.Thread(target=consumer.close, daemon=True, name="closing").start()


def list_offsets(
    admin: AdminClient, partitions: Collection[Partition], spec: OffsetSpec
) -> dict[Partition, int]:
    """First or last offsets of these partitions, those of open transactions included.

    Raises:
        UnstableError: try again. Also where librdkafka answers without an error and without an
            offset: seen with 2.8 when the connection is reset meanwhile. Taken for an end, it
            would be a changelog that is empty.
        KafkaException: it is no use to try again.
    """
    answers = admin.list_offsets(
        {TopicPartition(*partition): spec for partition in partitions},
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=_ENDS_SECONDS,
    )
    try:
        found = {(at.topic, at.partition): answer.result().offset for at, answer in answers.items()}
    except KafkaException as exception:
        error = exception.args[0]
        if error.retriable() or error.code() in _PASSING:
            raise UnstableError(str(error)) from exception
        raise
    if unknown := [partition for partition, offset in found.items() if offset < 0]:
        raise UnstableError(f"Kafka did not say where {unknown} begin or end")
    return found


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
            close_aside(asker)

    def close(self) -> None:
        """End the connection."""
        if self._stable is not None:
            close_aside(self._stable)
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
