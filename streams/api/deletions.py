"""Deletes a checkout from all our copies, because an operator wishes it.

The wish goes the way of every event: onto the source topic, so workers, subscribers and every read
model follow. It is marked as an operator's from beginning to end, never as Wix's.
Invariant: a deletion that is answered as done is on all in-sync replicas and in our own answers.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.adapters.kafka import producer_config
from streams.adapters.source_topic import source_record
from streams.adapters.topics import SOURCE
from streams.adapters.wix import Webhook
from streams.domain.events import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.api.freshness import Freshness
    from streams.config import Settings

EVENT_TYPE: Final = "checkout-recovery.operator.abandoned_checkout_deleted"
#: What the event says that it comes from, where Wix names the cause of one of its own.
_ORIGINATED_FROM: Final = "checkout-recovery.operator"
_POLL_SECONDS: Final = 0.05
_DELIVERY_SECONDS: Final = 5.0
_APPLIED_SECONDS: Final = 5.0
_FLUSH_SECONDS: Final = 3.0


class DeletionError(Exception):
    """The deletion could not be done, or is not in our answers yet; it may be asked for again."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A checkout that is to go, and the site that it belongs to."""

    checkout_id: str
    instance_id: str
    site_id: str | None


class Deletions:
    """Publishes deletions and waits until they count. Start it inside the event loop."""

    def __init__(self, settings: Settings, freshness: Freshness) -> None:
        self._topic = settings.topic(SOURCE)
        self._freshness = freshness
        self._settings = settings
        self._producer: Producer | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to hear from Kafka."""
        self._producer = Producer(
            {
                **producer_config(self._settings),
                "message.timeout.ms": int(_DELIVERY_SECONDS * 1000),
                "linger.ms": 5,
                "log_level": 2,  # a caller hears of what fails
            }
        )
        poll = threading.Thread(target=self._poll, args=(self._producer,), daemon=True)
        poll.start()

    def stop(self) -> None:
        """Wait a little for what is under way."""
        if self._producer is not None:
            self._producer.flush(_FLUSH_SECONDS)
        self._stop.set()

    async def delete(self, deletions: Sequence[Deletion], *, by: str) -> list[bool]:
        """Which of the deletions are done: published, and applied to our own copy.

        ``by``: the name of the token that asked, for the record.
        """
        return list(await asyncio.gather(*(self._delete(one, by) for one in deletions)))

    async def _delete(self, deletion: Deletion, by: str) -> bool:
        try:
            partition, offset = await self._publish(deletion, by)
        except DeletionError:
            return False
        return await self._freshness.has(
            f"{self._topic}-{partition}-{offset}", within_seconds=_APPLIED_SECONDS
        )

    async def _publish(self, deletion: Deletion, by: str) -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        published: asyncio.Future[tuple[int, int]] = loop.create_future()

        def settle(error: KafkaError | None, place: tuple[int, int]) -> None:
            if published.done():
                return
            if error is None:
                published.set_result(place)
            else:
                published.set_exception(DeletionError(error.str()))

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            place = (message.partition() or 0, message.offset() or 0)
            loop.call_soon_threadsafe(settle, error, place)

        record = source_record(
            deletion_event(deletion, by=by, at=datetime.now(UTC)),
            origin=Origin.OPERATOR,
            received_at=datetime.now(UTC),
        )
        if self._producer is None:
            raise DeletionError("not started")
        try:
            self._producer.produce(
                self._topic,
                record.value,
                record.key,
                timestamp=record.timestamp_ms,
                headers=list(record.headers),
                on_delivery=on_delivery,
            )
        except (BufferError, KafkaException) as error:
            raise DeletionError("Kafka takes no more now") from error
        return await published

    def _poll(self, producer: Producer) -> None:
        while not self._stop.is_set():
            producer.poll(_POLL_SECONDS)


def deletion_event(deletion: Deletion, *, by: str, at: datetime) -> Webhook:
    """The event of a deletion, of the same form as Wix's own, saying that it is none."""
    event_id = str(uuid.uuid4())
    event_time = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    value = {
        "id": event_id,
        "entityFqdn": "wix.ecom.v1.abandoned_checkout",
        "slug": "deleted",
        "entityId": deletion.checkout_id,
        "deletedEvent": {},
        "eventTime": event_time,
        "triggeredByAnonymizeRequest": False,
        "originatedFrom": f"{_ORIGINATED_FROM}:{by}",
    }
    account = {"siteId": deletion.site_id} if deletion.site_id else None
    return Webhook(
        checkout_id=deletion.checkout_id,
        instance_id=deletion.instance_id,
        event_id=event_id,
        event_type=EVENT_TYPE,
        event_time=event_time,
        value=orjson.dumps(value),
        identity=None,
        account_info=None if account is None else orjson.dumps(account),
        originated_from=f"{_ORIGINATED_FROM}:{by}",
    )
