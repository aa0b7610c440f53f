"""Writes what is announced of a checkout as the record of ``checkout-recovery.events.v1``.

Invariants: every key is always present, null when unknown; nothing personal once the checkout was
anonymized or deleted; the same id means the same bytes, for all of it comes from the log.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha1
from typing import TYPE_CHECKING, Final

import msgspec
import orjson

from streams.adapters import published
from streams.adapters.entity import Json, read_entity, text
from streams.adapters.instants import format_instant
from streams.domain.checkouts import Announcement, Checkout, News, later
from streams.domain.privacy import ERASED_FIELDS, erase

if TYPE_CHECKING:
    from datetime import datetime

    from streams.domain.events import SourceEvent, Touch
    from streams.domain.knowledge import Knowledge
    from streams.domain.law import Law

SCHEMA_VERSION: Final = 1
#: Committed for ever: the ids of all lifecycle events are made in it.
NAMESPACE: Final = uuid.UUID("8f5d2c1e-6a0b-5c47-9b7e-3d1f0c9a2e64")
_NAMESPACE: Final = NAMESPACE.bytes


def named(name: str) -> str:
    """The UUID of version 5 (RFC 9562) of a name in our namespace, as text."""
    digest = bytearray(sha1(_NAMESPACE + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True, slots=True)
class LifecycleRecord:
    """A record to publish: key, value and headers, as bytes."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def encode_lifecycle(
    news: News,
    checkout: Checkout,
    event: SourceEvent,
    *,
    revision: int,
    law: Law,
    traceparent: bytes | None = None,
) -> LifecycleRecord:
    """The record of one announcement; ``revision`` counts those of its checkout from 1."""
    knowledge = checkout.knowledge
    occurred_at = format_instant(_occurred_at(news, knowledge, event))
    event_id = named(f"{event.checkout_id}|{news.type.value}|{news.discriminator}")
    entity = _publishable_entity(knowledge)
    value = {
        "schema_version": SCHEMA_VERSION,
        "event_id": event_id,
        "type": news.type.value,
        "occurred_at": occurred_at,
        "recorded_at": format_instant(event.received_at),
        "origin": event.origin.value,
        "revision": revision,
        "source_event_id": event.event_id,
        **_identity(event.checkout_id, knowledge, entity),
        **_content(entity),
        **_particulars(news, checkout, entity, law),
    }
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_type", news.type.value.encode()),
        ("ce_source", f"/checkout-recovery/sites/{knowledge.site.instance_id}".encode()),
        ("ce_subject", event.checkout_id.encode()),
        ("ce_time", occurred_at.encode()),
        ("content-type", b"application/json"),
    ]
    if traceparent is not None:
        headers.append(("traceparent", traceparent))
    return LifecycleRecord(event.checkout_id.encode(), orjson.dumps(value), headers)


class _Parts(msgspec.Struct, gc=False, rename="camel"):
    """What the compared fields are made of, undecoded."""

    buyer_info: msgspec.Raw = msgspec.Raw()
    contact_details: msgspec.Raw = msgspec.Raw()
    checkout_url: msgspec.Raw = msgspec.Raw()
    total_price: msgspec.Raw = msgspec.Raw()
    currency: msgspec.Raw = msgspec.Raw()
    line_items: msgspec.Raw = msgspec.Raw()


_read_parts: Final = msgspec.json.Decoder(_Parts).decode

#: A published field, how it is made, and the parts of the entity that it is made of.
_COMPARED: Final = (
    ("buyer", published.buyer, ("buyerInfo", "contactDetails")),
    ("checkout_url", published.checkout_url, ("checkoutUrl",)),
    ("total", published.total, ("totalPrice", "currency")),
    ("line_items", published.line_items, ("lineItems", "currency")),
)


def changed_fields(before: bytes, after: bytes) -> tuple[str, ...]:
    """Which of the published buyer, checkout_url, total and line_items differ.

    Most updates change none of their parts, so these are compared first: as bytes, where both
    entities can be cut into parts, else as they came.
    """
    with suppress(msgspec.DecodeError, RecursionError):
        if _read_parts(before) == _read_parts(after):
            return ()
    one, other = read_entity(before), read_entity(after)
    return tuple(
        name
        for name, publish, parts in _COMPARED
        if any(one.get(part) != other.get(part) for part in parts)
        and publish(one) != publish(other)
    )


def _occurred_at(news: News, knowledge: Knowledge, event: SourceEvent) -> datetime:
    known: datetime | None = None
    if news.type is Announcement.ABANDONED:
        known = knowledge.abandoned_at
    elif news.type is Announcement.RECOVERED:
        known = knowledge.recovered_at
    elif news.type is Announcement.DELETED:
        known = knowledge.deleted_at
    return known or event.event_at


def _publishable_entity(knowledge: Knowledge) -> Json:
    content = knowledge.content
    if content is None:
        return {}
    if (knowledge.is_anonymized or knowledge.is_deleted) and not content.is_erased:
        return read_entity(erase(content.entity))
    return read_entity(content.entity)


def _identity(checkout_id: str, knowledge: Knowledge, entity: Json) -> Json:
    facets = knowledge.facets
    site = knowledge.site
    return {
        "abandoned_checkout_id": checkout_id,
        "instance_id": site.instance_id,
        "site_id": site.site_id or None,
        "account_id": site.account_id or None,
        "status": "RECOVERED" if knowledge.recovered_at else text(entity, "status"),
        "stage": None if facets is None else facets.stage.value,
        "is_staff": None if facets is None else facets.is_staff,
        "abandoned_at": _optional(knowledge.abandoned_at),
    }


def _content(entity: Json) -> Json:
    buyer = published.buyer(entity)
    return {
        "checkout_id": text(entity, "checkoutId"),
        "cart_id": text(entity, "cartId"),
        "buyer": buyer,
        "reachable_by": published.reachable_by(buyer),
        "subject_key": published.subject_key(buyer),
        "language": published.language(entity),
        "wix_language": text(entity, "buyerLanguage"),
        "total": published.total(entity),
        "subtotal": published.price(entity, "subtotalPrice"),
        "converted_total": published.price(entity, "totalPrice", converted=True),
        "converted_subtotal": published.price(entity, "subtotalPrice", converted=True),
        "checkout_url": published.checkout_url(entity),
        "line_items": published.line_items(entity),
        "item_count": published.item_count(entity),
        "discounts": published.discounts(entity),
        "automation": published.automation(entity),
    }


def _particulars(news: News, checkout: Checkout, entity: Json, law: Law) -> Json:
    """What only one type of event has."""
    knowledge = checkout.knowledge
    match news.type:
        case Announcement.ABANDONED:
            start = knowledge.abandoned_at
            expires_at = None if start is None else later(start, law.announce_within)
            return {"expires_at": _optional(expires_at)}
        case Announcement.CHANGED:
            return {"changed_fields": list(news.changed_fields)}
        case Announcement.RECOVERED:
            return _recovery(checkout, entity)
        case Announcement.ANONYMIZED:
            return {"erased_fields": list(ERASED_FIELDS)}
        case Announcement.DELETED:
            return {}


def _recovery(checkout: Checkout, entity: Json) -> Json:
    knowledge = checkout.knowledge
    abandoned_at, recovered_at = knowledge.abandoned_at, knowledge.recovered_at
    seconds: int | None = None
    if abandoned_at is not None and recovered_at is not None:
        elapsed = recovered_at - abandoned_at
        seconds = max(0, elapsed.days * 86_400 + elapsed.seconds)
    return {
        "recovered_at": _optional(recovered_at),
        "time_to_recovery_seconds": seconds,
        "recovered_total": published.total(entity),
        "was_announced_abandoned": checkout.told.is_abandoned,
        "last_touch": _last_touch(knowledge, recovered_at),
    }


def _last_touch(knowledge: Knowledge, recovered_at: datetime | None) -> Json | None:
    if recovered_at is None or knowledge.facets is None:
        return None
    known = [
        (touch.occurred_at, touch)
        for touch in knowledge.facets.touches
        if touch.occurred_at is not None and touch.occurred_at <= recovered_at
    ]
    if not known:
        return None
    occurred_at, touch = max(known, key=_by_instant)
    elapsed = recovered_at - occurred_at
    return {
        "type": touch.type,
        "occurred_at": format_instant(occurred_at),
        "seconds_before_recovery": elapsed.days * 86_400 + elapsed.seconds,
    }


def _by_instant(item: tuple[datetime, Touch]) -> datetime:
    return item[0]


def _optional(value: datetime | None) -> str | None:
    return None if value is None else format_instant(value)
