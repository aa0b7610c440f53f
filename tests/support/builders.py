"""Builders of source events and records. Times are explicit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from streams.adapters.source import read_source_event

if TYPE_CHECKING:
    from streams.domain.events import SourceEvent

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SITE = "5d1cbcf4-0000-4000-8000-000000000001"
OTHER_SITE = "5d1cbcf4-0000-4000-8000-000000000002"
CHECKOUT = "0a1b2c3d-1111-4111-8111-111111111111"


def at(minutes: float = 0, *, days: float = 0) -> datetime:
    """An instant after the beginning of the tests' time."""
    return T0 + timedelta(minutes=minutes, days=days)


def text(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


def entity(**changes: Any) -> dict[str, Any]:
    """A small entity of a guest with an e-mail; None leaves a field out."""
    full = {
        "id": CHECKOUT,
        "createdDate": text(T0),
        "updatedDate": text(T0),
        "checkoutId": "c0ffee00-1111-4111-8111-111111111111",
        "status": "ABANDONED",
        "buyerInfo": {"visitorId": "v-1", "email": "ada@mail.example"},
        "contactDetails": {"firstName": "Ada", "lastName": "Lovelace"},
        "currency": "EUR",
        "totalPrice": {"amount": "85.50", "formattedAmount": "€85.50"},
        "checkoutUrl": "http://shop.example/checkout?id=1",
        "lineItems": [
            {
                "id": "l-1",
                "quantity": 2,
                "productName": {"original": "Mug"},
                "price": {"amount": "42.75"},
            }
        ],
        **changes,
    }
    return {name: value for name, value in full.items() if value is not None}


def wix_event(
    slug: str,
    body: dict[str, Any] | None,
    *,
    event_id: str,
    when: datetime,
    sequence: int | str | None = None,
    anonymize: bool = False,
    checkout: str = CHECKOUT,
) -> dict[str, Any]:
    """The domain event B as Wix sends it."""
    members: dict[str, dict[str, Any]] = {
        "created": {"createdEvent": {"entity": body}},
        "updated": {"updatedEvent": {"currentEntity": body}},
        "recovered": {"actionEvent": {"body": {"abandonedCheckout": body}}},
        "deleted": {"deletedEvent": {} if body is None else {"deletedEntity": body}},
    }
    event: dict[str, Any] = {
        "id": event_id,
        "entityFqdn": "wix.ecom.v1.abandoned_checkout",
        "slug": slug,
        "entityId": checkout,
        "eventTime": text(when),
        "triggeredByAnonymizeRequest": anonymize,
        **members[slug],
    }
    if sequence is not None:
        event["entityEventSequence"] = sequence
    return event


def headers(
    received: datetime, *, site: str = SITE, origin: str = "webhook", **more: str
) -> list[tuple[str, bytes | None]]:
    """Headers of the source topic."""
    known = {
        "ce_instanceid": site,
        "ce_receivedtime": received.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ce_origin": origin,
        **more,
    }
    return [(name, value.encode()) for name, value in known.items()]


def event(
    slug: str,
    body: dict[str, Any] | None,
    *,
    event_id: str,
    when: datetime,
    received: datetime | None = None,
    site: str = SITE,
    origin: str = "webhook",
    **more: Any,
) -> SourceEvent:
    """A domain event, through the real reader."""
    value = json.dumps(wix_event(slug, body, event_id=event_id, when=when, **more)).encode()
    return read_source_event(
        key=CHECKOUT.encode(),
        value=value,
        headers=headers(received or when, site=site, origin=origin),
        timestamp_ms=0,
    )
