"""What a set of events says of a checkout: collected first, then evaluated as a whole.

Invariant: neither the order of the events nor their repeats matter to a verdict. Only the lives of
a checkout and the steps through one depend on the order of the log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from streams.demo.audit.times import Rules, instant, later

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.demo.audit.evidence import Evidence, Site

_AMOUNT: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
MESSAGES: Final = ("EMAIL_SENT", "NOTIFICATION_SENT")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a set of events comes to."""

    site: Site
    abandoned_at: int | None
    recovered_at: int | None
    deleted_at: int | None
    is_anonymized: bool
    content: Evidence | None
    facets: Evidence | None

    @property
    def is_private(self) -> bool:
        """Whether nothing personal may be published any more."""
        return self.deleted_at is not None or self.is_anonymized


@dataclass(frozen=True, slots=True)
class Case:
    """A checkout as the rates see it."""

    site: Site
    abandoned_at: int | None
    recovered_at: int | None
    currency: str | None
    amount: Decimal | None
    is_checkout: bool
    is_reachable: bool
    is_touched: bool
    is_staff: bool


@dataclass(frozen=True, slots=True)
class Step:
    """An event, and what was known of its checkout before and after it, in one life.

    ``life`` counts from 0; it rises when the checkout had aged out, and ``before`` is None then.
    """

    event: Evidence
    life: int
    before: Verdict | None
    after: Verdict


def evaluate(events: Sequence[Evidence]) -> Verdict:
    """Look at all events at once."""
    by_version = sorted(events, key=lambda e: (e.version, e.site))
    with_entity = [e for e in by_version if e.entity is not None]
    created = [at for e in with_entity if (at := e.date("createdDate")) is not None]
    begun = [e.event_at for e in events if e.kind == "created"]
    dated = [at for e in with_entity if (at := e.date("checkoutRecoveredDate")) is not None]
    acted = [e.event_at for e in events if e.kind == "recovered"]
    status = [e.event_at for e in with_entity if (e.entity or {}).get("status") == "RECOVERED"]
    ordinary = [e for e in with_entity if not e.is_anonymize and e.kind != "deleted"]
    return Verdict(
        site=by_version[0].site,
        abandoned_at=min(created or begun, default=None),
        recovered_at=dated[-1] if dated else min(acted or status, default=None),
        deleted_at=min((e.event_at for e in events if e.kind == "deleted"), default=None),
        is_anonymized=any(e.is_anonymize for e in events),
        content=next(reversed(with_entity), None),
        facets=next(reversed(ordinary or with_entity), None),
    )


def steps_of(events: Iterable[Evidence], rules: Rules) -> list[Step]:
    """The steps of one checkout; ``events`` in the order of its partition."""
    steps: list[Step] = []
    life: list[Evidence] = []
    number = 0
    before: Verdict | None = None
    for event in events:
        if before is not None and _is_over(before, life, event, rules):
            life, before, number = [], None, number + 1
        life.append(event)
        after = evaluate(life)
        steps.append(Step(event, number, before, after))
        before = after
    return steps


def case_of(verdict: Verdict | None) -> Case | None:
    """The case of a verdict; None while no event says when it was abandoned or recovered."""
    if verdict is None or (verdict.abandoned_at is None and verdict.recovered_at is None):
        return None
    currency, amount = price(verdict.facets)
    entity = (verdict.facets.entity if verdict.facets else None) or {}
    buyer, contact = entity.get("buyerInfo") or {}, entity.get("contactDetails") or {}
    touches = messages(verdict.facets)
    bought = verdict.recovered_at
    return Case(
        site=verdict.site,
        abandoned_at=verdict.abandoned_at,
        recovered_at=bought,
        currency=currency,
        amount=amount,
        is_checkout=bool(entity.get("checkoutId")),
        is_reachable=bool(buyer.get("email") or buyer.get("contactId") or contact.get("phone")),
        is_touched=bool(touches)
        if bought is None
        else any(at is not None and at <= bought for at, _ in touches),
        is_staff=bool(buyer.get("userId")),
    )


def price(evidence: Evidence | None) -> tuple[str | None, Decimal | None]:
    """Currency and amount of the total; None twice unless both can be used."""
    entity = (evidence.entity if evidence else None) or {}
    total = entity.get("totalPrice") or {}
    return price_of(total.get("amount"), entity.get("currency")) or (None, None)


def price_of(amount: object, currency: object) -> tuple[str, Decimal] | None:
    """A currency and an amount, if both are of a form that can be counted."""
    if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount):
        return None
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return None
    return currency, Decimal(amount)


def messages(evidence: Evidence | None) -> list[tuple[int | None, str]]:
    """When messages were sent to the buyer, and of which type."""
    entity = (evidence.entity if evidence else None) or {}
    return [
        (instant(activity.get("createdDate")), activity["type"])
        for activity in entity.get("activities") or []
        if activity.get("type") in MESSAGES
    ]


def _is_over(verdict: Verdict, life: list[Evidence], event: Evidence, rules: Rules) -> bool:
    known = [at for at in (verdict.abandoned_at, verdict.recovered_at) if at is not None]
    newest = max([*known, *(e.received_at for e in life)])
    return later(newest, rules.span) < event.received_at
