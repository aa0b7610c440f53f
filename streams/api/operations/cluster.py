"""Asks Kafka how the workers do: who they are, what they have, how far they are behind.

Committed positions by a consumer that never joins, see ``streams.runtime.positions`` for why. Every
method may block; one thread uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from streams.adapters.cluster import Cluster, why
from streams.adapters.errors import ClusterError
from streams.adapters.kafka import client_config
from streams.adapters.topics import FACTS, GROUP, SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from confluent_kafka.admin import TopicMetadata

    from streams.config import Settings

_REQUEST_SECONDS: Final = 3
_FIRST: Final = OffsetSpec.earliest()
_LAST: Final = OffsetSpec.latest()

Place = tuple[str, int]


class Member(NamedTuple):
    """A worker, as the group's coordinator knows it."""

    name: str
    host: str
    partitions: tuple[Place, ...]


class Group(NamedTuple):
    """The workers' group."""

    state: str
    members: tuple[Member, ...]


class WorkersView:
    """Connections to ask with; made when first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._group = settings.topic(GROUP)
        self._cluster: Cluster | None = None
        self._committed: Consumer | None = None
        self._known: Mapping[str, TopicMetadata] = {}

    def group(self) -> Group:
        """Who the workers are.

        Raises:
            ClusterError: Kafka does not say.
        """
        cluster = self._open()
        self._known = cluster.metadata().topics  # says best why there is no answer
        answer = cluster.admin.describe_consumer_groups(
            [self._group], request_timeout=_REQUEST_SECONDS
        )[self._group]
        try:
            found = answer.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:  # no worker has run yet
                return Group("empty", ())
            raise ClusterError(f"the workers' group can't be looked at: {why(error)}") from None
        members = sorted(_member(one) for one in found.members)
        return Group(found.state.name.lower(), tuple(members))

    def lags(self) -> dict[Place, int]:
        """Of each partition that the workers read: records behind the committed position.

        Markers of transactions are counted too, so a few are none.

        Raises:
            ClusterError: Kafka does not say.
        """
        places = self._places()
        positions = self._positions(places)
        unread = [place for place, offset in positions.items() if offset < 0]
        positions.update(self._offsets(unread, _FIRST))
        ends = self._offsets(places, _LAST)
        return {place: max(0, ends[place] - positions[place]) for place in places}

    def close(self) -> None:
        """End the connections."""
        if self._committed is not None:
            self._committed.close()
        self._committed = self._cluster = None

    def _open(self) -> Cluster:
        if self._cluster is None:
            self._cluster = Cluster(self._settings, timeout_seconds=_REQUEST_SECONDS)
        return self._cluster

    def _places(self) -> list[Place]:
        known = self._known or self._open().metadata().topics
        names = [self._settings.topic(SOURCE), self._settings.topic(FACTS)]
        for name in names:
            if name not in known or known[name].error is not None:
                raise ClusterError(f"the topic {name} can't be seen")
        return [(name, number) for name in names for number in sorted(known[name].partitions)]

    def _positions(self, places: Iterable[Place]) -> dict[Place, int]:
        if self._committed is None:
            self._committed = Consumer(
                {
                    **client_config(self._settings),
                    "group.id": self._group,
                    "enable.auto.commit": False,
                    "isolation.level": "read_uncommitted",  # else an open transaction is an error
                    "log_level": 3,
                }
            )
        wanted = [TopicPartition(*place) for place in places]
        try:
            found = self._committed.committed(wanted, _REQUEST_SECONDS)
            for item in found:
                if item.error:
                    raise ClusterError(f"the workers' positions are unknown: {item.error.str()}")
        except KafkaException as error:
            raise ClusterError(f"the workers' positions are unknown: {why(error)}") from None
        return {(item.topic, item.partition): item.offset for item in found}

    def _offsets(self, places: Iterable[Place], spec: OffsetSpec) -> dict[Place, int]:
        asked = {TopicPartition(*place): spec for place in places}
        if not asked:
            return {}
        answers = self._open().admin.list_offsets(
            asked,
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_REQUEST_SECONDS,
        )
        try:
            found = {
                (item.topic, item.partition): answer.result().offset
                for item, answer in answers.items()
            }
        except KafkaException as error:
            raise ClusterError(f"Kafka does not say where topics end: {why(error)}") from None
        if any(offset < 0 for offset in found.values()):
            # librdkafka 2.8 answers so, without an error, when the connection is reset meanwhile
            raise ClusterError("Kafka does not say where topics end: the connection was lost")
        return found


def _member(found: Any) -> Member:  # noqa: ANN401  # confluent-kafka is untyped
    slot = found.group_instance_id
    places = tuple(sorted((item.topic, item.partition) for item in _assigned(found)))
    return Member(f"slot {slot}" if slot else found.client_id, found.host.lstrip("/"), places)


def _assigned(found: Any) -> list[Any]:  # noqa: ANN401  # the same
    return [] if found.assignment is None else found.assignment.topic_partitions
