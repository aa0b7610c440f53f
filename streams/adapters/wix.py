"""Reads what is inside a verified webhook: three layers of JSON in strings.

``claims.data`` is a string A; A holds ``data``, a string B, with ``instanceId`` and ``eventType``
beside it; B is the domain event. B is passed on byte for byte. Total: every genuine token gets a
verdict, whatever is inside.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import orjson

from streams.adapters.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    Json = Mapping[str, object]

EVENT_TYPES: Final = "wix.ecom.v1.abandoned_checkout_"
_FQDN: Final = "wix.ecom.v1.abandoned_checkout"
_MEMBERS: Final = (
    ("createdEvent", ("entity", "entityAsJson")),
    ("updatedEvent", ("currentEntity", "currentEntityAsJson")),
    ("actionEvent", ("body", "bodyAsJson")),
    ("deletedEvent", ("deletedEntity", "deletedEntityAsJson")),
)


class Webhook(NamedTuple):
    """A genuine abandoned-checkout event, ready for the source topic."""

    checkout_id: str
    instance_id: str
    event_id: str
    event_type: str
    event_time: str
    value: bytes
    identity: bytes | None
    account_info: bytes | None
    originated_from: str


class OtherEvent(NamedTuple):
    """A genuine event of another type: counted, not kept."""

    event_type: str


def read_webhook(claims: Json | None) -> Webhook | OtherEvent:
    """What a token's claims say.

    Raises:
        InvalidMessage: unreadable inside, with the reason code for the dead-letter topic.
    """
    data = None if claims is None else claims.get("data")
    if not isinstance(data, str):
        raise InvalidMessage("claims_unreadable")
    envelope = _object(data)
    if envelope is None:
        raise InvalidMessage("envelope_unreadable")
    event_type = _text(envelope, "eventType")
    if event_type and not event_type.startswith(EVENT_TYPES):
        return OtherEvent(event_type)
    inner = envelope.get("data")
    if isinstance(inner, dict):  # never seen, but harmless: the same event, one layer less
        inner = json.dumps(inner, separators=(",", ":"), ensure_ascii=False)
    event = _event(inner) if isinstance(inner, str) else None
    if event is None or not isinstance(inner, str):
        raise InvalidMessage("event_unreadable")
    fqdn = _text(event, "entityFqdn")
    if not event_type and fqdn and fqdn != _FQDN:
        return OtherEvent(fqdn)
    instance_id = _text(envelope, "instanceId").lower()
    if not instance_id:
        raise InvalidMessage("site_missing")
    checkout_id = (_text(event, "entityId") or _entity_id(event)).lower()
    if not checkout_id:
        raise InvalidMessage("checkout_id_missing")
    return Webhook(
        checkout_id=checkout_id,
        instance_id=instance_id,
        event_id=_text(event, "id"),
        event_type=event_type or EVENT_TYPES + (_text(event, "slug") or "updated"),
        event_time=_text(event, "eventTime"),
        value=_utf8(inner),
        identity=_json(envelope.get("identity")),
        account_info=_json(envelope.get("accountInfo")),
        originated_from=_text(event, "originatedFrom"),
    )


def _object(text: str) -> Json | None:
    value = _loads(text)
    return value if isinstance(value, dict) else None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    """What we read of a domain event that is as it should be."""

    id: str
    entity_id: str
    slug: str = ""
    entity_fqdn: str = ""
    event_time: str = ""
    originated_from: str = ""


_decode_event: Final = msgspec.json.Decoder(_Event).decode


def _event(text: str) -> Json | None:
    """A domain event: a few members if these are as they should be, else all."""
    try:
        event = _decode_event(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return _object(text)
    if not _is_text(event.entity_id):
        return _object(text)
    return {
        "id": event.id,
        "entityId": event.entity_id,
        "slug": event.slug,
        "entityFqdn": event.entity_fqdn,
        "eventTime": event.event_time,
        "originatedFrom": event.originated_from,
    }


def _loads(text: str) -> object:
    """What a JSON text says; None if it is none."""
    try:
        return orjson.loads(text)
    except ValueError:  # also for half a surrogate, which JSON allows and orjson does not
        try:
            return json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidMessage("envelope_unreadable") from None


def _text(source: Json, name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) and _is_text(value) else ""


def _is_text(value: str) -> bool:
    return 0 < len(value) <= 512 and value.isprintable()  # noqa: PLR2004  # an id or a type


def _json(value: object) -> bytes | None:
    """Identity or account info as JSON, whether it came as a string of it or as an object."""
    read = _loads(value) if isinstance(value, str) else value
    if not isinstance(read, dict) or not read:
        return None
    try:
        return value.encode() if isinstance(value, str) else orjson.dumps(read)
    except (TypeError, UnicodeEncodeError):
        return None


def _entity_id(event: Json) -> str:
    for member, spellings in _MEMBERS:
        holder = event.get(member)
        if not isinstance(holder, dict):
            continue
        for spelling in spellings:
            entity = holder.get(spelling)
            if isinstance(entity, str):
                entity = _object(entity)
            if isinstance(entity, dict):
                nested = entity.get("abandonedCheckout")
                entity = nested if isinstance(nested, dict) else entity
                if found := _text(entity, "id"):
                    return found
    return ""
