"""The workers' slots, as the consumer group knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from streams.adapters import topics
from streams.adapters.errors import ClusterError
from streams.adapters.kafka import client_config
from streams.runtime import MembershipError, RuntimeSettings, members, remove_member

if TYPE_CHECKING:
    from streams.config import Settings


def slots(settings: Settings) -> dict[str, int]:
    """Slots that are members, running or not yet given up, and how many partitions each has.

    Raises:
        ClusterError: Kafka can't be asked.
    """
    try:
        return members(_runtime(settings, None))
    except KafkaException as error:
        raise ClusterError(f"the group can't be described: {error.args[0].str()}") from error


def remove_slot(settings: Settings, slot: str) -> None:
    """Take a slot out of the group, so that the others get its partitions at once.

    Raises:
        ClusterError: it is no member, or could not be taken out; says why.
    """
    sources = [settings.topic(topics.SOURCE), settings.topic(topics.FACTS)]
    try:
        remove_member(_runtime(settings, slot), sources)
    except MembershipError as error:
        raise ClusterError(str(error)) from error


def _runtime(settings: Settings, slot: str | None) -> RuntimeSettings:
    return RuntimeSettings(
        client=client_config(settings),
        group=settings.topic(topics.GROUP),
        slot=slot,
        session_timeout_ms=settings.session_timeout_ms,
    )
