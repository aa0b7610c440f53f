"""Reads a record of the source topic into the domain's terms. Total: an event or InvalidMessage.

Only what the law needs is decoded; the entity stays the raw JSON that Wix sent.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from streams.adapters.errors import InvalidMessage
from streams.adapters.instants import read_instant
from streams.domain.events import (
    TOUCH_TYPES,
    Facets,
    Kind,
    Origin,
    Site,
    SourceEvent,
    Stage,
    Touch,
    Version,
)
from streams.domain.money import read_amount, read_currency

if TYPE_CHECKING:
    from collections.abc import Iterable


_ABSENT: Final = msgspec.Raw(b"")


class _Member(msgspec.Struct, gc=False, rename="camel"):
    """``createdEvent`` and its like, in both spellings; a member is an object or a string."""

    entity: msgspec.Raw = _ABSENT
    entity_as_json: msgspec.Raw = _ABSENT
    current_entity: msgspec.Raw = _ABSENT
    current_entity_as_json: msgspec.Raw = _ABSENT
    deleted_entity: msgspec.Raw = _ABSENT
    deleted_entity_as_json: msgspec.Raw = _ABSENT
    body: msgspec.Raw = _ABSENT
    body_as_json: msgspec.Raw = _ABSENT


class _Body(msgspec.Struct, gc=False, rename="camel"):
    abandoned_checkout: msgspec.Raw = _ABSENT


class _Event(msgspec.Struct, gc=False, rename="camel"):
    id: str | None = None
    slug: str | None = None
    entity_id: str | None = None
    event_time: str | None = None
    triggered_by_anonymize_request: bool | None = None
    entity_event_sequence: str | int | None = None
    created_event: _Member | None = None
    updated_event: _Member | None = None
    action_event: _Member | None = None
    deleted_event: _Member | None = None


class _Buyer(msgspec.Struct, gc=False, rename="camel"):
    user_id: str | None = None
    contact_id: str | None = None
    email: str | None = None


class _Contact(msgspec.Struct, gc=False, rename="camel"):
    phone: str | None = None


class _Price(msgspec.Struct, gc=False, rename="camel"):
    amount: str | int | float | None = None


class _Activity(msgspec.Struct, gc=False, rename="camel"):
    type: str | None = None
    created_date: str | None = None


class _Entity(msgspec.Struct, gc=False, rename="camel"):
    created_date: str | None = None
    updated_date: str | None = None
    checkout_recovered_date: str | None = None
    checkout_id: str | None = None
    status: str | None = None
    currency: str | None = None
    buyer_info: _Buyer | None = None
    contact_details: _Contact | None = None
    total_price: _Price | None = None
    activities: list[_Activity] | None = None


_read_event: Final = msgspec.json.Decoder(_Event).decode
_read_entity: Final = msgspec.json.Decoder(_Entity).decode
_read_body: Final = msgspec.json.Decoder(_Body).decode
_read_text: Final = msgspec.json.Decoder(str).decode
_read_account: Final = msgspec.json.Decoder(dict[str, object]).decode
_NULL: Final = b"null"
_ORIGINS: Final = {origin.value.encode(): origin for origin in Origin}


def read_source_event(
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    timestamp_ms: int,
) -> SourceEvent:
    """Read one record; ``timestamp_ms`` stands in where the receive time is not in a header.

    Raises:
        InvalidMessage: with the reason code for the dead-letter topic.
    """
    known = {name: text for name, text in headers if text is not None}
    instance_id = _text(known, "ce_instanceid")
    if not instance_id:
        raise InvalidMessage("site_missing")
    checkout_id = key.decode("utf-8", "replace").lower() if key else _text(known, "ce_subject")
    if not checkout_id:
        raise InvalidMessage("checkout_id_missing")
    if value is None:
        raise InvalidMessage("event_unreadable")
    try:
        event = _read_event(value)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidMessage("event_unreadable") from None
    try:
        kind, raw = _kind_and_entity(event)
        entity = None if raw is None else _read_entity(raw)
        created_at = None if entity is None else read_instant(entity.created_date)
        updated_at = None if entity is None else read_instant(entity.updated_date)
        recovered_at = None if entity is None else read_instant(entity.checkout_recovered_date)
        facets = None if entity is None else _facets(entity)
        event_at = read_instant(event.event_time)
        sequence = _sequence(event.entity_event_sequence)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidMessage("entity_unreadable") from None
    event_at = event_at or updated_at or created_at
    if event_at is None:
        raise InvalidMessage("event_time_missing")
    event_id = event.id or _text(known, "ce_id") or derived_event_id(value)
    return SourceEvent(
        checkout_id=checkout_id,
        event_id=event_id,
        kind=kind,
        origin=_ORIGINS.get(known.get("ce_origin", b""), Origin.WEBHOOK),
        event_at=event_at,
        received_at=_received_at(_text(known, "ce_receivedtime"), timestamp_ms),
        version=Version(updated_at or event_at, sequence, event_at, event_id),
        site=_site(instance_id, _text(known, "ce_accountinfo")),
        is_anonymize_request=event.triggered_by_anonymize_request is True,
        entity=raw,
        created_at=created_at,
        recovered_at=recovered_at,
        is_status_recovered=entity is not None and entity.status == "RECOVERED",
        facets=facets,
    )


def derived_event_id(value: bytes) -> str:
    """The id of an event that came without one: the same bytes always give the same id."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, sha256(value).hexdigest()))


def _text(headers: dict[str, bytes], name: str) -> str:
    return headers.get(name, b"").decode("utf-8", "replace")


def _sequence(value: str | int | None) -> int:
    if value is None or value == "":
        return -1
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a sequence is an int64")
    return number


def _received_at(text: str, timestamp_ms: int) -> datetime:
    try:
        received_at = read_instant(text)
    except ValueError:
        received_at = None
    return received_at or datetime.fromtimestamp(timestamp_ms / 1000, UTC)


def _kind_and_entity(event: _Event) -> tuple[Kind, bytes | None]:
    """The member that is present decides; an event without any is an update that says nothing."""
    if (member := event.created_event) is not None:
        return Kind.CREATED, _object(member.entity, member.entity_as_json)
    if (member := event.updated_event) is not None:
        return Kind.UPDATED, _object(member.current_entity, member.current_entity_as_json)
    if (member := event.action_event) is not None:
        body = _object(member.body, member.body_as_json)
        entity = None if body is None else _object(_read_body(body).abandoned_checkout)
        is_recovery = event.slug == "recovered" or entity is not None
        return Kind.RECOVERED if is_recovery else Kind.UPDATED, entity
    if (member := event.deleted_event) is not None:
        return Kind.DELETED, _object(member.deleted_entity, member.deleted_entity_as_json)
    return Kind.UPDATED, None


def _object(*spellings: msgspec.Raw) -> bytes | None:
    for raw in spellings:
        data = bytes(raw)
        if not data or data == _NULL:
            continue
        return _read_text(data).encode() if data.startswith(b'"') else data
    return None


def _facets(entity: _Entity) -> Facets:
    price = entity.total_price
    amount = None if price is None else read_amount(price.amount)
    currency = read_currency(entity.currency)
    buyer = entity.buyer_info or _Buyer()
    phone = entity.contact_details.phone if entity.contact_details else None
    is_priced = amount is not None and currency is not None
    return Facets(
        currency=currency if is_priced else None,
        amount=amount if is_priced else None,
        stage=Stage.CHECKOUT if entity.checkout_id else Stage.CART,
        is_reachable=bool(buyer.email or buyer.contact_id or phone),
        is_staff=bool(buyer.user_id),
        touches=tuple(
            Touch(activity.type, read_instant(activity.created_date))
            for activity in entity.activities or ()
            if activity.type in TOUCH_TYPES
        ),
    )


@lru_cache(maxsize=4096)  # a busy site sends the same over and over
def _site(instance_id: str, account_info: str) -> Site:
    site_id = account_id = ""
    if account_info:
        try:
            account = _read_account(account_info)
        except msgspec.DecodeError:
            account = {}
        site_id = str(account.get("siteId") or "")
        account_id = str(account.get("accountId") or "")
    return Site(instance_id, site_id.lower(), account_id.lower())
