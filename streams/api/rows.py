"""What is known of a checkout as a row of the table ``checkouts``, and back.

Invariant: the same knowledge gives the same row, so rows are compared as bytes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.adapters.database.columns import amount_key, instant_key, storable, text_key, texts_key
from streams.adapters.entity import EMPTY, Json, part, parts, read_entity
from streams.adapters.instants import read_instant
from streams.adapters.state import decode_knowledge, encode_knowledge
from streams.domain.money import read_amount, read_currency
from streams.domain.privacy import erase

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from streams.domain.knowledge import Knowledge

RECOVERED: Final = "RECOVERED"

#: Column, and where in the entity its text stands.
_TEXTS: Final = (
    ("status", "", "status"),
    ("contact_id", "buyerInfo", "contactId"),
    ("email", "buyerInfo", "email"),
    ("visitor_id", "buyerInfo", "visitorId"),
    ("member_id", "buyerInfo", "memberId"),
    ("user_id", "buyerInfo", "userId"),
    ("first_name", "contactDetails", "firstName"),
    ("last_name", "contactDetails", "lastName"),
)


def row_of(
    checkout_id: str, knowledge: Knowledge, served: tuple[str, Json] | None = None
) -> dict[str, Any]:
    """The row of a checkout. ``served``: what ``served_entity`` says of it, if that is known."""
    raw = None if knowledge.content is None else knowledge.content.entity
    text, entity = served_entity(checkout_id, knowledge) if served is None else served
    price = part(entity, "totalPrice")
    row: dict[str, Any] = {
        "abandoned_checkout_id": checkout_id,
        "instance_id": storable(knowledge.site.instance_id),
        "site_id": storable(knowledge.site.site_id) or None,
        "entity": text,
        "knowledge": encode_knowledge(
            _without_entity(knowledge) if raw == text.encode() else knowledge
        ),
        "is_deleted": knowledge.is_deleted,
        "is_anonymized": knowledge.is_anonymized,
        "created_at": instant_key(_instant(entity, "createdDate")),
        "updated_at": instant_key(_instant(entity, "updatedDate")),
        "recovered_at": instant_key(knowledge.recovered_at),
        "currency": read_currency(entity.get("currency")),
        "total_amount": amount_key(read_amount(price.get("amount"))),
        "total_converted_amount": amount_key(read_amount(price.get("convertedAmount"))),
    }
    for column, parent, name in _TEXTS:
        value = (part(entity, parent) if parent else entity).get(name)
        found = storable(value) if isinstance(value, str) else None
        row[column] = found
        row[column + "_key"] = text_key(found)
    row["activity_types"] = texts_key(_strings(parts(entity, "activities"), "type"))
    coupons = [part(item, "coupon") for item in parts(entity, "appliedDiscounts")]
    row["coupon_codes"] = texts_key(_strings(coupons, "code"))
    return row


def knowledge_of_row(entity: str, knowledge: bytes) -> Knowledge:
    """What a row's columns ``entity`` and ``knowledge`` say."""
    known = decode_knowledge(knowledge)
    if known.content is not None and not known.content.entity:
        return replace(known, content=known.content._replace(entity=entity.encode()))
    return known


def served_entity(checkout_id: str, knowledge: Knowledge) -> tuple[str, Json]:
    """The entity as Wix would answer it, as JSON and read.

    It is the newest that Wix sent, byte for byte, except where we know better: a recovery is final,
    whatever an event that says otherwise is dated; and of a checkout that was anonymized or deleted
    nothing personal is kept.
    """
    content = knowledge.content
    raw = b"" if content is None else content.entity
    is_erasing = knowledge.is_anonymized or knowledge.is_deleted
    if content is not None and is_erasing and not content.is_erased:
        raw = erase(raw)
    entity, is_sound = _read(raw)
    better: dict[str, str] = {}
    known_id = entity.get("id")
    if not isinstance(known_id, str) or known_id.lower() != checkout_id:
        better["id"] = checkout_id
    if knowledge.recovered_at is not None and entity.get("status") != RECOVERED:
        better["status"] = RECOVERED
    if is_sound and not better:
        return raw.decode(), entity
    # json and not orjson: it keeps whole numbers as they are, whatever their size
    mended = {**(json.loads(raw) if is_sound else entity), **better}
    return json.dumps(mended, ensure_ascii=False, separators=(",", ":")), {**entity, **better}


def _read(raw: bytes) -> tuple[Json, bool]:
    """The entity, and whether its bytes can be handed on as they are."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return read_entity(raw), False
    return (value, True) if isinstance(value, dict) else (EMPTY, False)


def _without_entity(knowledge: Knowledge) -> Knowledge:
    """The entity stands in its own column, and once is enough."""
    if knowledge.content is None:
        return knowledge
    return replace(knowledge, content=knowledge.content._replace(entity=b""))


def _strings(items: Iterable[Json], name: str) -> list[str]:
    return [value for item in items if isinstance(value := item.get(name), str)]


def _instant(entity: Json, name: str) -> datetime | None:
    value = entity.get(name)
    try:
        return read_instant(value) if isinstance(value, str) else None
    except ValueError:
        return None
