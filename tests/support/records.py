"""Records of the topics, as the read model takes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from streams.adapters.topics import CONVERSION, EVENTS, SOURCE
from streams.api.model import Place, Record
from tests.support.builders import CHECKOUT, SITE, at, entity, headers, wix_event

if TYPE_CHECKING:
    from datetime import datetime

    from tests.support.whole import Whole


def source(
    offset: int,
    slug: str,
    body: dict[str, Any] | None = None,
    *,
    checkout: str = CHECKOUT,
    minutes: float | None = None,
    partition: int = 0,
    received: datetime | None = None,
    site: str = SITE,
    origin: str = "webhook",
    event_id: str | None = None,
    **more: Any,
) -> Record:
    """A record of the source topic; its event happened ``minutes`` after the tests' beginning."""
    when = at(offset if minutes is None else minutes)
    event = wix_event(
        slug,
        body,
        event_id=event_id or f"e-{partition}-{offset}",
        when=when,
        checkout=checkout,
        **more,
    )
    return Record(
        Place(SOURCE, partition),
        offset,
        checkout.encode(),
        json.dumps(event).encode(),
        headers(received or when, site=site, origin=origin),
        int((received or when).timestamp() * 1000),
    )


def story(checkout: str = CHECKOUT, *, first: int = 0, partition: int = 0) -> list[Record]:
    """Created, an e-mail typed, reminded, bought: four records."""
    guest = entity(id=checkout, buyerInfo={"visitorId": "v-1"}, contactDetails=None)
    typed = entity(id=checkout)
    bought = {**typed, "status": "RECOVERED", "checkoutRecoveredDate": "2026-03-01T14:00:00.000Z"}
    return [
        source(first + step, slug, body, checkout=checkout, partition=partition)
        for step, (slug, body) in enumerate(
            [
                ("created", guest),
                ("updated", {**typed, "updatedDate": "2026-03-01T12:01:00.000Z"}),
                ("recovered", {**bought, "updatedDate": "2026-03-01T14:00:00.000Z"}),
                ("updated", {**bought, "updatedDate": "2026-03-01T14:00:01.000Z"}),
            ]
        )
    ]


def of_whole(whole: Whole) -> list[Record]:
    """What the topics of the whole path in memory hold, in the order of their production."""
    logs = [whole.source, *whole.topics.values()]
    return [
        Record(
            Place(topic.name, record.partition),
            record.offset,
            record.key,
            record.value,
            [*record.headers],
            record.timestamp_ms,
        )
        for topic in logs
        if topic.name in {SOURCE, EVENTS, CONVERSION}
        for record in topic.records
    ]
