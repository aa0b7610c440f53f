"""Where the topics end, asked again and again in a thread of its own.

Invariant: whoever has read a partition up to the end that was found has read everything that Kafka
had acknowledged when it was asked for.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from streams.adapters.cluster import Cluster, why
from streams.adapters.errors import ClusterError
from streams.api.model import TOPICS, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.config import Settings

log = structlog.get_logger(__name__)

_ASK_SECONDS: Final = 0.5
_REQUEST_SECONDS: Final = 10.0


_FIRST: Final = OffsetSpec.earliest()
_NEXT: Final = OffsetSpec.latest()


class Looked(NamedTuple):
    """The ends of all partitions, and when they were asked for."""

    asked_at: datetime
    offsets: Mapping[Place, int]


class Ends:
    """The thread. ``newest`` is None until Kafka has answered once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = {settings.topic(name): name for name in TOPICS}
        self._cluster = Cluster(settings, timeout_seconds=_REQUEST_SECONDS)
        self._stop = threading.Event()
        self.newest: Looked | None = None

    def start(self) -> None:
        """Begin to ask."""
        threading.Thread(target=self._run, name="ends", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()

    def places(self) -> list[Place]:
        """All partitions of the topics that the model reads.

        Raises:
            ClusterError: a topic does not exist, or Kafka does not answer.
        """
        known = self._cluster.metadata().topics
        for actual in self._names:
            if actual not in known or known[actual].error is not None:
                raise ClusterError(
                    f"the topic {actual} does not exist: run `checkout-recovery topics apply`"
                )
        return [
            Place(name, partition)
            for actual, name in self._names.items()
            for partition in known[actual].partitions
        ]

    def bounds(self, places: Sequence[Place]) -> tuple[dict[Place, int], dict[Place, int]]:
        """The first offset that is kept, and the one after the last, of each partition.

        Raises:
            ClusterError: Kafka does not say.
        """
        return self._ask(places, _FIRST), self._ask(places, _NEXT)

    def _run(self) -> None:
        places: list[Place] = []
        while not self._stop.is_set():
            try:
                places = places or self.places()
                asked_at = datetime.now(UTC)
                self.newest = Looked(asked_at, self._ask(places, _NEXT))
            except ClusterError as error:
                log.warning("ends_unknown", reason=str(error))
            self._stop.wait(_ASK_SECONDS)

    def _ask(self, places: Sequence[Place], spec: OffsetSpec) -> dict[Place, int]:
        if not places:
            return {}
        asked = {
            TopicPartition(self._settings.topic(place.topic), place.partition): spec
            for place in places
        }
        answers = self._cluster.admin.list_offsets(
            asked,
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=_REQUEST_SECONDS,
        )
        try:
            found = {
                Place(self._names[item.topic], item.partition): answer.result().offset
                for item, answer in answers.items()
            }
        except KafkaException as error:
            raise ClusterError(f"Kafka does not say where topics end: {why(error)}") from None
        if any(offset < 0 for offset in found.values()):
            # librdkafka 2.8 answers so, without an error, when the connection is reset meanwhile
            raise ClusterError("Kafka does not say where topics end: the connection was lost")
        return found
