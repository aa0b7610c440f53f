"""One event of the source topic, as the audit reads it with the standard library alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.demo.audit.times import instant

if TYPE_CHECKING:
    from streams.demo.audit.log import LogRecord

#: Member, what it means, and where the entity is inside it.
_MEMBERS: Final = (
    ("createdEvent", "created", ("entity", "entityAsJson")),
    ("updatedEvent", "updated", ("currentEntity", "currentEntityAsJson")),
    ("actionEvent", "recovered", ("body", "bodyAsJson")),
    ("deletedEvent", "deleted", ("deletedEntity", "deletedEntityAsJson")),
)
#: Fields that the rates and announcements stand on, and the types that they may have.
_SHAPE: Final[dict[str, Any]] = {
    **dict.fromkeys(
        ("createdDate", "updatedDate", "checkoutRecoveredDate", "checkoutId", "status", "currency"),
        str,
    ),
    "buyerInfo": {"userId": str, "contactId": str, "email": str},
    "contactDetails": {"phone": str},
    "totalPrice": {"amount": (str, int, float)},
    "activities": [{"type": str, "createdDate": str}],
}
_SEQUENCES: Final = range(-(2**63), 2**63)


class Unreadable(Exception):  # noqa: N818  # a verdict on a record, not a fault of the audit
    """The record belongs into the dead letters; the message is the reason code."""


class Site(NamedTuple):
    """A site: the app's installation, and Wix's own ids where they were sent."""

    instance: str
    site: str
    account: str


class Version(NamedTuple):
    """The place of an event in the history of its checkout, compared from left to right."""

    updated_at: int
    sequence: int
    event_at: int
    event_id: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One event of the log. Instants are microseconds since 1970."""

    partition: int
    offset: int
    checkout: str
    site: Site
    event_id: str
    origin: str
    kind: str
    event_at: int
    received_at: int
    version: Version
    is_anonymize: bool
    entity: dict[str, Any] | None

    def date(self, name: str) -> int | None:
        """A date of the entity."""
        return instant((self.entity or {}).get(name))


def read_evidence(record: LogRecord) -> Evidence:
    """An event of the source topic.

    Raises:
        Unreadable: with the reason for which it must be in the dead letters.
    """
    instance = record.headers.get("ce_instanceid")
    if not instance:
        raise Unreadable("site_missing")
    checkout = record.key.lower() or record.headers.get("ce_subject", "")
    if not checkout:
        raise Unreadable("checkout_id_missing")
    event = _event(record.value)
    try:
        kind, entity = _member(event)
        if entity is not None:
            _check(entity, _SHAPE)
        updated, created, _ = (
            instant((entity or {}).get(name))
            for name in ("updatedDate", "createdDate", "checkoutRecoveredDate")
        )
        for activity in (entity or {}).get("activities") or ():
            if activity.get("type") in {"EMAIL_SENT", "NOTIFICATION_SENT"}:
                instant(activity.get("createdDate"))
        sequence = _sequence(event.get("entityEventSequence"))
        times = (instant(event.get("eventTime")), updated, created)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Unreadable("entity_unreadable") from None
    event_at = next((at for at in times if at is not None), None)
    if event_at is None:
        raise Unreadable("event_time_missing")
    event_id = event.get("id") or record.headers["ce_id"]
    return Evidence(
        partition=record.partition,
        offset=record.offset,
        checkout=checkout,
        site=Site(instance, *_account(record.headers.get("ce_accountinfo"))),
        event_id=event_id,
        origin=record.headers.get("ce_origin", "webhook"),
        kind=kind,
        event_at=event_at,
        received_at=instant(record.headers["ce_receivedtime"]) or 0,
        version=Version(event_at if updated is None else updated, sequence, event_at, event_id),
        is_anonymize=event.get("triggeredByAnonymizeRequest") is True,
        entity=entity,
    )


def _event(value: bytes) -> dict[str, Any]:
    shape: dict[str, Any] = {
        **dict.fromkeys(("id", "slug", "entityId", "eventTime"), str),
        "triggeredByAnonymizeRequest": bool,
        "entityEventSequence": (str, int),
        **{name: {} for name, _, _ in _MEMBERS},
    }
    try:
        event = json.loads(value)
        _check(event, shape)
    except (ValueError, TypeError, RecursionError):
        raise Unreadable("event_unreadable") from None
    if not isinstance(event, dict):
        raise Unreadable("event_unreadable")
    return event


def _member(event: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    for name, kind, spellings in _MEMBERS:
        holder = event.get(name)
        if holder is None:
            continue
        found = _opened(next((holder[s] for s in spellings if holder.get(s) is not None), None))
        if kind == "recovered":
            body = found or {}
            found = _opened(body.get("abandonedCheckout"))
            if event.get("slug") != "recovered" and found is None:
                return "updated", None
        if found is not None and not isinstance(found, dict):
            raise TypeError("an entity is an object")
        return kind, found
    return "updated", None


def _opened(value: Any) -> Any:  # noqa: ANN401  # JSON, or JSON in a string
    if isinstance(value, str):
        value = json.loads(value)
        if value is None:
            raise TypeError("a string that holds no object")
    return value


def _check(value: Any, shape: Any) -> None:  # noqa: ANN401  # JSON and its shape
    """Raise TypeError where a field that matters has a type that can't be judged."""
    if value is None:
        return
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise TypeError("not an object")
        for name, inner in shape.items():
            _check(value.get(name), inner)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise TypeError("not a list")
        for item in value:
            if item is None:
                raise TypeError("null in a list")
            _check(item, shape[0])
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        raise TypeError("not of its type")


def _sequence(value: str | int | None) -> int:
    if value is None or value == "":
        return -1
    if int(value) not in _SEQUENCES:
        raise ValueError("a sequence is an int64")
    return int(value)


def _account(text: str | None) -> tuple[str, str]:
    try:
        account = json.loads(text or "{}")
    except ValueError:
        return "", ""
    if not isinstance(account, dict):
        return "", ""
    return (
        str(account.get("siteId") or "").lower(),
        str(account.get("accountId") or "").lower(),
    )
