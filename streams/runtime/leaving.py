"""Takes a static member out of the group, so that its partitions move at once.

A worker with a slot stays a member when it stops, for a restart must move nothing. When it does not
come back (scale-in), the others get its partitions after the session timeout, or by this.
librdkafka has no admin request for it (KIP-345). So the member's name is taken over for a moment,
and a member that unsubscribes leaves, static or not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, ConsumerGroupState, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.runtime.settings import RuntimeSettings

_POLL_SECONDS: Final = 0.1
_REQUEST_SECONDS: Final = 15


class MembershipError(Exception):
    """The member could not be removed; the message says why."""


def members(settings: RuntimeSettings) -> dict[str, int]:
    """Slots that are members of the group, running or not yet given up, with their partitions.

    Raises:
        KafkaException: the group can't be described.
    """
    admin = AdminClient({**settings.client, "log_level": 3})
    request = admin.describe_consumer_groups([settings.group], request_timeout=_REQUEST_SECONDS)
    group = request[settings.group].result()
    if group.state == ConsumerGroupState.DEAD:
        return {}
    return {
        member.group_instance_id: len(member.assignment.topic_partitions)
        for member in group.members
        if member.group_instance_id
    }


def remove_member(
    settings: RuntimeSettings, topics: Sequence[str], *, limit_seconds: float = 60.0
) -> None:
    """Make the slot of ``settings`` leave the group. Blocks while the group rebalances.

    Its process must have ended: one that still runs is fenced and ends with SLOT_CONFLICT.

    Raises:
        MembershipError: the slot is no member, or could not be taken over in time.
    """
    if settings.slot is None:
        raise MembershipError("only a worker with a slot stays in the group when it stops")
    try:
        known = members(settings)
    except KafkaException as error:
        raise MembershipError(f"the group can't be described: {error.args[0].str()}") from error
    if settings.slot not in known:
        names = ", ".join(sorted(known)) or "none"
        raise MembershipError(f"slot {settings.slot} is no member; members with a slot: {names}")
    is_member = False

    def taken_over(consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        nonlocal is_member
        is_member = True
        consumer.assign([])

    consumer = Consumer(
        {
            **settings.client,
            "group.id": settings.group,
            "group.instance.id": settings.slot,
            "enable.auto.commit": False,
            "partition.assignment.strategy": "range",
            "session.timeout.ms": settings.session_timeout_ms,
            "log_level": 3,
        }
    )
    deadline = time.monotonic() + limit_seconds
    try:
        consumer.subscribe(list(topics), on_assign=taken_over)
        while not is_member:
            if time.monotonic() > deadline:
                raise MembershipError(f"slot {settings.slot} could not be taken over in time")
            consumer.poll(_POLL_SECONDS)
        consumer.unsubscribe()
        while settings.slot in members(settings):
            if time.monotonic() > deadline:
                raise MembershipError(f"slot {settings.slot} did not leave in time")
            consumer.poll(_POLL_SECONDS)
    except KafkaException as error:
        raise MembershipError(f"slot {settings.slot}: {error.args[0].str()}") from error
    finally:
        consumer.close()
