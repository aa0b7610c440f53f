"""Reads a record of the source topic into the domain's terms. Total: an event or InvalidMessage.

Only what the law needs is decoded; the entity stays the raw JSON that Wix sent.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from streams.adapters.errors import InvalidMessage
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

Headers = "Iterable[tuple[str, bytes | None]]"


class _Member(msgspec.Struct, gc=False):
    """``createdEvent`` and its like, in both spellings; a member is an object or a string."""

    entity: msgspec.Raw | None = None
    entityAsJson: msgspec.Raw | None = None
    currentEntity: msgspec.Raw | None = None
    currentEntityAsJson: msgspec.Raw | None = None
    deletedEntity: msgspec.Raw | None = None
    deletedEntityAsJson: msgspec.Raw | None = None
    body: msgspec.Raw | None = None
    bodyAsJson: msgspec.Raw | None = None


class _Body(msgspec.Struct, gc=False):
    abandonedCheckout: msgspec.Raw | None = None


class _Event(msgspec.Struct, gc=False):
    id: str | None = None
    slug: str | None = None
    entityId: str | None = None
    eventTime: str | None = None
    triggeredByAnonymizeRequest: bool | None = None
    entityEventSequence: str | int | None = None
    createdEvent: _Member | None = None
    updatedEvent: _Member | None = None
    actionEvent: _Member | None = None
    deletedEvent: _Member | None = None


class _Buyer(msgspec.Struct, gc=False):
    userId: str | None = None
    contactId: str | None = None
    email: str | None = None


class _Contact(msgspec.Struct, gc=False):
    phone: str | None = None


class _Price(msgspec.Struct, gc=False):
    amount: str | int | float | None = None


class _Activity(msgspec.Struct, gc=False):
    type: str | None = None
    createdDate: str | None = None


class _Entity(msgspec.Struct, gc=False):
    createdDate: str | None = None
    updatedDate: str | None = None
    checkoutRecoveredDate: str | None = None
    checkoutId: str | None = None
    status: str | None = None
    currency: str | None = None
    buyerInfo: _Buyer | None = None
    contactDetails: _Contact | None = None
    totalPrice: _Price | None = None
    activities: list[_Activity] | None = None


_read_event: Final = msgspec.json.Decoder(_Event).decode
_read_entity: Final = msgspec.json.Decoder(_Entity).decode
_read_body: Final = msgspec.json.Decoder(_Body).decode
_read_text: Final = msgspec.json.Decoder(str).decode
_read_account: Final = msgspec.json.Decoder(dict[str, object]).decode
_NULL: Final = b"null"
_ORIGINS: Final = {origin.value: origin for origin in Origin}


def read_source_event(
    *, key: bytes | None, value: bytes | None, headers: Headers, timestamp_ms: int
) -> SourceEvent:
    """Read one record; ``timestamp_ms`` stands in where the receive time is not in a header.

    Raises:
        InvalidMessage: with the reason code for the dead-letter topic.
    """
    known = {name: text.decode("utf-8", "replace") for name, text in headers if text is not None}
    instance_id = known.get("ce_instanceid")
    if not instance_id:
        raise InvalidMessage("site_missing")
    checkout_id = key.decode("utf-8", "replace").lower() if key else known.get("ce_subject", "")
    if not checkout_id:
        raise InvalidMessage("checkout_id_missing")
    if value is None:
        raise InvalidMessage("event_unreadable")
    try:
        event = _read_event(value)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidMessage("event_unreadable") from None
    try:
        kind, raw = _kind_and_entity(event)
        entity = None if raw is None else _read_entity(raw)
        created_at = None if entity is None else read_instant(entity.createdDate)
        updated_at = None if entity is None else read_instant(entity.updatedDate)
        recovered_at = None if entity is None else read_instant(entity.checkoutRecoveredDate)
        facets = None if entity is None else _facets(entity)
        event_at = read_instant(event.eventTime)
        sequence = -1 if event.entityEventSequence is None else int(event.entityEventSequence)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidMessage("entity_unreadable") from None
    event_at = event_at or updated_at or created_at
    if event_at is None:
        raise InvalidMessage("event_time_missing")
    event_id = event.id or known.get("ce_id") or derived_event_id(value)
    return SourceEvent(
        checkout_id=checkout_id,
        event_id=event_id,
        kind=kind,
        origin=_ORIGINS.get(known.get("ce_origin", ""), Origin.WEBHOOK),
        event_at=event_at,
        received_at=_received_at(known.get("ce_receivedtime"), timestamp_ms),
        version=Version(updated_at or event_at, sequence, event_at, event_id),
        site=_site(instance_id, known.get("ce_accountinfo")),
        is_anonymize_request=event.triggeredByAnonymizeRequest is True,
        entity=raw,
        created_at=created_at,
        recovered_at=recovered_at,
        is_status_recovered=entity is not None and entity.status == "RECOVERED",
        facets=facets,
    )


def derived_event_id(value: bytes) -> str:
    """The id of an event that came without one: the same bytes always give the same id."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, sha256(value).hexdigest()))


def read_instant(text: str | None) -> datetime | None:
    """An RFC 3339 instant as aware UTC, to the microsecond; a missing offset means UTC.

    None and the empty string give None.

    Raises:
        ValueError: it is none, or out of the range of years 1 to 9999.
    """
    if not text:
        return None
    value = datetime.fromisoformat(text)
    if value.tzinfo is UTC:
        return value
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the instant is out of range") from None


def _received_at(text: str | None, timestamp_ms: int) -> datetime:
    try:
        received_at = read_instant(text)
    except ValueError:
        received_at = None
    return received_at or datetime.fromtimestamp(timestamp_ms / 1000, UTC)


def _kind_and_entity(event: _Event) -> tuple[Kind, bytes | None]:
    """The member that is present decides; an event without any is an update that says nothing."""
    if (member := event.createdEvent) is not None:
        return Kind.CREATED, _object(member.entity, member.entityAsJson)
    if (member := event.updatedEvent) is not None:
        return Kind.UPDATED, _object(member.currentEntity, member.currentEntityAsJson)
    if (member := event.actionEvent) is not None:
        body = _object(member.body, member.bodyAsJson)
        entity = None if body is None else _object(_read_body(body).abandonedCheckout)
        is_recovery = event.slug == "recovered" or entity is not None
        return Kind.RECOVERED if is_recovery else Kind.UPDATED, entity
    if (member := event.deletedEvent) is not None:
        return Kind.DELETED, _object(member.deletedEntity, member.deletedEntityAsJson)
    return Kind.UPDATED, None


def _object(*spellings: msgspec.Raw | None) -> bytes | None:
    for raw in spellings:
        if raw is None:
            continue
        data = bytes(raw)
        if data == _NULL:
            continue
        return _read_text(data).encode() if data.startswith(b'"') else data
    return None


def _facets(entity: _Entity) -> Facets:
    price = entity.totalPrice
    amount = None if price is None else read_amount(price.amount)
    currency = read_currency(entity.currency)
    buyer = entity.buyerInfo or _Buyer()
    phone = entity.contactDetails.phone if entity.contactDetails else None
    is_priced = amount is not None and currency is not None
    return Facets(
        currency=currency if is_priced else None,
        amount=amount if is_priced else None,
        stage=Stage.CHECKOUT if entity.checkoutId else Stage.CART,
        is_reachable=bool(buyer.email or buyer.contactId or phone),
        is_staff=bool(buyer.userId),
        touches=tuple(
            Touch(activity.type, read_instant(activity.createdDate))
            for activity in entity.activities or ()
            if activity.type in TOUCH_TYPES
        ),
    )


def _site(instance_id: str, account_info: str | None) -> Site:
    site_id = account_id = ""
    if account_info:
        try:
            account = _read_account(account_info)
        except msgspec.DecodeError:
            account = {}
        site_id = str(account.get("siteId") or "")
        account_id = str(account.get("accountId") or "")
    return Site(instance_id, site_id.lower(), account_id.lower())
