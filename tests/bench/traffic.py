"""Source records of simulated shops, as the ingress would have written them."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from streams.adapters.errors import InvalidMessage
from streams.adapters.source_topic import source_record
from streams.adapters.wix import OtherEvent, read_webhook
from streams.demo.simulator.platform import Options, Platform, past
from streams.domain.events import Origin
from streams.worker.records import Incoming

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SITES = 200
_DAYS = 6


def traffic(count: int, *, seed: int = 1, end: datetime | None = None) -> list[Incoming]:
    """So many records; all of them can be read. Partition and offset are not known yet."""
    now = datetime.now(UTC) if end is None else end
    platform = Platform(Options(seed=seed, sites=_SITES, unreadable_share=0), now)
    found: list[Incoming] = []
    for sending in platform.sendings(past(Random(seed), now, days=_DAYS, count=count)):
        try:
            webhook = read_webhook({"data": sending.data})
        except InvalidMessage:
            continue
        if isinstance(webhook, OtherEvent):
            continue
        made = source_record(webhook, origin=Origin.WEBHOOK, received_at=sending.at)
        found.append(Incoming("", 0, 0, made.key, made.value, [*made.headers], made.timestamp_ms))
        if len(found) == count:
            break
    return found


def mean_bytes(records: Iterable[Incoming]) -> int:
    """Of the values."""
    sizes = [len(record.value or b"") for record in records]
    return sum(sizes) // max(1, len(sizes))


def fill(
    producer_config: Mapping[str, str | int | float | bool], topic: str, records: list[Incoming]
) -> None:
    """Put the records on a topic, in their order."""
    producer = Producer({**producer_config, "queue.buffering.max.messages": 200_000})
    for record in records:
        while True:
            try:
                producer.produce(topic, record.value, record.key, headers=record.headers)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(120):
        raise SystemExit("the source topic could not be filled")
