"""What a set of events says of a checkout: collected first, then evaluated as a whole."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from streams.demo.audit.log import LogRecord

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AMOUNT: Final = re.compile(r"\d{1,16}(\.\d{1,9})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_MESSAGES: Final = ("EMAIL_SENT", "NOTIFICATION_SENT")
MICROSECONDS: Final = 1_000_000
DAY: Final = 86_400 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Evidence:
    """One event of the log. Instants are microseconds since 1970."""

    partition: int
    offset: int
    checkout: str
    instance: str
    event_id: str
    kind: str
    event_at: int
    received_at: int
    version: tuple[int, int, int, str]
    is_anonymize: bool
    entity: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a set of events comes to."""

    instance: str
    abandoned_at: int | None
    recovered_at: int | None
    is_deleted: bool
    is_anonymized: bool
    content: Evidence | None
    facets: Evidence | None


def instant(text: str | None) -> int | None:
    """Microseconds since 1970 of an RFC 3339 instant; None of nothing."""
    if not text:
        return None
    value = datetime.fromisoformat(text)
    value = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (value - _EPOCH) // (datetime.resolution)


def show(at: int | None, *, digits: int = 3) -> str | None:
    """RFC 3339 in UTC with that many decimals, rounded down."""
    if at is None:
        return None
    seconds, rest = divmod(at, MICROSECONDS)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:06d}"[: 20 + digits] + "Z"


def read_evidence(record: LogRecord) -> Evidence:
    """An event of the source topic.

    Raises:
        ValueError, KeyError, TypeError: it is none that can be judged.
    """
    event = json.loads(record.value)
    kind, entity = _member(event)
    entity = None if entity is None else entity
    updated = instant(entity.get("updatedDate")) if entity else None
    created = instant(entity.get("createdDate")) if entity else None
    event_at = instant(event.get("eventTime")) or updated or created
    if event_at is None:
        raise ValueError("no instant")
    sequence = event.get("entityEventSequence")
    return Evidence(
        partition=record.partition,
        offset=record.offset,
        checkout=record.key,
        instance=record.headers["ce_instanceid"],
        event_id=event["id"],
        kind=kind,
        event_at=event_at,
        received_at=instant(record.headers["ce_receivedtime"]) or 0,
        version=(
            updated or event_at,
            -1 if sequence in (None, "") else int(sequence),
            event_at,
            event["id"],
        ),
        is_anonymize=event.get("triggeredByAnonymizeRequest") is True,
        entity=entity,
    )


def evaluate(events: list[Evidence]) -> Verdict:
    """Look at all events at once; their order and repeats don't matter."""
    by_version = sorted(events, key=lambda e: (e.version, e.instance))
    with_entity = [e for e in by_version if e.entity is not None]
    created = [at for e in with_entity if (at := _date(e, "createdDate")) is not None]
    begun = [e.event_at for e in events if e.kind == "created"]
    dated = [at for e in with_entity if (at := _date(e, "checkoutRecoveredDate")) is not None]
    acted = [e.event_at for e in events if e.kind == "recovered"]
    status = [e.event_at for e in with_entity if (e.entity or {}).get("status") == "RECOVERED"]
    ordinary = [e for e in with_entity if not e.is_anonymize and e.kind != "deleted"]
    return Verdict(
        instance=by_version[0].instance,
        abandoned_at=min(created or begun, default=None),
        recovered_at=dated[-1] if dated else min(acted or status, default=None),
        is_deleted=any(e.kind == "deleted" for e in events),
        is_anonymized=any(e.is_anonymize for e in events),
        content=with_entity[-1] if with_entity else None,
        facets=next(reversed(ordinary or with_entity), None),
    )


def price(evidence: Evidence | None) -> tuple[str, Decimal] | None:
    """Currency and amount of the total, if both can be used."""
    entity = (evidence.entity if evidence else None) or {}
    amount, currency = (entity.get("totalPrice") or {}).get("amount"), entity.get("currency")
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount):
        return None
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return None
    return currency, Decimal(amount)


def traits(evidence: Evidence | None, recovered_at: int | None) -> tuple[bool, bool, bool, bool]:
    """Whether a checkout was begun, the buyer is reachable, was touched, and is staff."""
    entity = (evidence.entity if evidence else None) or {}
    buyer, contact = entity.get("buyerInfo") or {}, entity.get("contactDetails") or {}
    messages = [
        instant(activity.get("createdDate"))
        for activity in entity.get("activities") or []
        if activity.get("type") in _MESSAGES
    ]
    if recovered_at is not None:
        messages = [at for at in messages if at is not None and at <= recovered_at]
    return (
        bool(entity.get("checkoutId")),
        bool(buyer.get("email") or buyer.get("contactId") or contact.get("phone")),
        bool(messages),
        bool(buyer.get("userId")),
    )


def shown_parts(evidence: Evidence) -> tuple[Any, ...]:
    """What subscribers see change: buyer, link, total and items."""
    entity = evidence.entity or {}
    return tuple(
        json.dumps(part, sort_keys=True)
        for part in (
            [entity.get("buyerInfo"), entity.get("contactDetails")],
            entity.get("checkoutUrl"),
            [entity.get("totalPrice"), entity.get("currency")],
            entity.get("lineItems"),
        )
    )


def _date(evidence: Evidence, name: str) -> int | None:
    return instant((evidence.entity or {}).get(name))


def _member(event: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    for name, kind, spellings in (
        ("createdEvent", "created", ("entity", "entityAsJson")),
        ("updatedEvent", "updated", ("currentEntity", "currentEntityAsJson")),
        ("actionEvent", "recovered", ("body", "bodyAsJson")),
        ("deletedEvent", "deleted", ("deletedEntity", "deletedEntityAsJson")),
    ):
        holder = event.get(name)
        if holder is None:
            continue
        found = next((holder[s] for s in spellings if holder.get(s) is not None), None)
        if isinstance(found, str):
            found = json.loads(found)
        if kind == "recovered" and found is not None:
            found = found.get("abandonedCheckout")
        return kind, found
    return "updated", None
