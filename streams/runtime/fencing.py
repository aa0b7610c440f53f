"""Ends the open transaction of an owner that is gone, as its own restart would.

A worker that dies leaves a transaction open. Until it ends nobody can restore the partitions that
it wrote to: at once when its slot restarts, else at the transaction's timeout. Who takes over need
not wait: a producer with the same transactional id aborts it.

Invariant: only of an owner that is no member of the group, so whose transaction could not be
committed any more (the group's coordinator refuses its offsets). If its process is alive, it was
cut off or paused; it finds itself fenced and ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)

_REQUEST_SECONDS: Final = 5
_ABORT_SECONDS: Final = 10


def end_transactions_of_the_gone(
    settings: RuntimeSettings, transactional_ids: Collection[str]
) -> None:
    """Abort what is open under those of the ids whose owner is no member. Blocks up to 15 s.

    A member's client id is its transactional id. Where Kafka refuses or does not answer, nothing
    happens: the broker ends the transaction at its timeout.
    """
    if not transactional_ids:
        return
    try:
        gone = set(transactional_ids) - _members(settings)
        for transactional_id in sorted(gone):
            Producer({**settings.client, "transactional.id": transactional_id}).init_transactions(
                _ABORT_SECONDS
            )
            log.warning("transaction_of_a_gone_owner_ended", transactional_id=transactional_id)
    except KafkaException as error:
        log.warning("transaction_of_a_gone_owner_stays", error=error.args[0].name())


def _members(settings: RuntimeSettings) -> set[str]:
    admin = AdminClient({**settings.client, "log_level": 3})
    request = admin.describe_consumer_groups([settings.group], request_timeout=_REQUEST_SECONDS)
    return {member.client_id for member in request[settings.group].result().members}
