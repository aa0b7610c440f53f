"""Differential tests: the workers' law and the audit's, two formulations, on the same logs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from streams.demo.audit.judge import audit
from streams.demo.audit.times import DAY, HOUR, MINUTE, Rules
from streams.demo.simulator.platform import Options, Platform, past
from streams.domain.law import Law
from tests.support.whole import Whole

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("seed", range(5))
def test_the_simulators_shops_are_told_of_and_counted_alike(seed: int) -> None:
    whole = Whole(Random(seed))
    options = Options(seed=seed, sites=4, duplicate_share=0.2, disorder_share=0.3)
    abandonments = past(Random(seed), START, days=45, count=150)
    now = START
    for sending in Platform(options, START).sendings(abandonments):
        now = sending.at + timedelta(milliseconds=400)
        whole.post(sending, received_at=now)
    report = audit(whole.finish(now), whole.accepted, samples=60)
    assert report.differences == []
    assert report.counts["conversion records recomputed"] > 40
    assert report.counts["lifecycle events"] > 150


def test_other_windows_and_another_horizon_are_judged_by_their_own_rules() -> None:
    law = Law(
        windows=(timedelta(minutes=30), timedelta(hours=6), timedelta(days=3)),
        horizon=timedelta(hours=12),
        announce_within=timedelta(hours=2),
    )
    rules = Rules(
        lengths=(30 * MINUTE, 6 * HOUR, 3 * DAY), horizon=12 * HOUR, announce_within=2 * HOUR
    )
    whole = Whole(Random(1), law)
    now = START
    options = Options(seed=1, sites=3, disorder_share=0.3)
    for sending in Platform(options, START).sendings(past(Random(1), START, days=6, count=150)):
        now = sending.at + timedelta(milliseconds=400)
        whole.post(sending, received_at=now)
    logs = whole.finish(now)
    assert audit(logs, whole.accepted, rules=rules).differences == []
    assert not audit(logs, whole.accepted).is_equal


@pytest.mark.parametrize("seed", range(25))
def test_whatever_arrives_is_told_of_and_counted_alike(seed: int) -> None:
    """Old, future, undated, contradictory, mistyped events of few checkouts at several sites."""
    random = Random(seed)
    whole = Whole(random)
    now = START
    sent: list[tuple[bytes, bytes, list[tuple[str, bytes | None]]]] = []
    for number in range(160):
        now += timedelta(seconds=random.choice((0.3, 2, 900, 20_000, 20_000, 400_000)))
        if random.random() < 0.02:
            now += timedelta(days=random.choice((6, 31, 38)))
        if sent and random.random() < 0.1:
            key, value, headers = random.choice(sent)
        else:
            key, value, headers = anything(random, number, now)
            sent.append((key, value, headers))
        received = text(now)[:-4] + "Z"
        stamped = [*headers, ("ce_receivedtime", received.encode())]
        whole.put(key, value, stamped, received_at=now)
    report = audit(whole.finish(now), [], samples=100)
    assert report.differences == []


def anything(
    random: Random, number: int, now: datetime
) -> tuple[bytes, bytes, list[tuple[str, bytes | None]]]:
    checkout = f"0a1b2c3d-0000-4000-8000-{random.randrange(12):012d}"
    event_id = f"event-{number}"
    event: dict[str, Any] = {
        "id": event_id,
        "slug": random.choice(("created", "updated", "recovered", "deleted")),
        "entityId": checkout,
        "eventTime": instant(random, now),
        "triggeredByAnonymizeRequest": random.random() < 0.05,
        "entityEventSequence": random.choice((None, "", str(random.randint(1, 12)), 3)),
    }
    body: Any = entity(random, now)
    member, spelling = random.choice(
        (
            ("createdEvent", "entity"),
            ("createdEvent", "entity"),
            ("updatedEvent", "currentEntity"),
            ("updatedEvent", "currentEntity"),
            ("updatedEvent", "currentEntity"),
            ("actionEvent", "body"),
            ("actionEvent", "body"),
            ("deletedEvent", "deletedEntity"),
            ("otherEvent", "entity"),
        )
    )
    if member == "actionEvent":
        body = {"abandonedCheckout": body} if random.random() < 0.8 else {}
    if random.random() < 0.1:
        spelling, body = f"{spelling}AsJson", json.dumps(body)
    event[member] = {} if random.random() < 0.1 else {spelling: body}
    left = {name: value for name, value in event.items() if value is not None}
    site = random.choice(("site-a", "site-a", "site-b"))
    headers: list[tuple[str, bytes | None]] = [
        ("ce_id", event_id.encode()),
        ("ce_instanceid", site.encode()),
        ("ce_origin", random.choice((b"webhook", b"backfill", b"replay"))),
    ]
    if random.random() < 0.7:
        account = {"accountId": "Account-1", "siteId": f"{site}-guid"}
        headers.append(("ce_accountinfo", json.dumps(account).encode()))
    return checkout.encode(), json.dumps(left).encode(), headers


def instant(random: Random, now: datetime) -> str | None:
    ages = (-0.001, 0, 0, 0.01, 0.5, 3, 6.9, 7.1, 20, 36.9, 37.1, 80, None)
    age = random.choice(ages)
    if age is None:
        return None
    return text(now - timedelta(days=age, seconds=random.choice((0, 60, 3601))))


def entity(random: Random, now: datetime) -> Any:
    if random.random() < 0.05:
        return None
    value: dict[str, Any] = {
        "createdDate": instant(random, now),
        "updatedDate": instant(random, now),
        "checkoutRecoveredDate": instant(random, now) if random.random() < 0.2 else None,
        "checkoutId": random.choice((None, "", "c-1")),
        "cartId": random.choice((None, "cart-1")),
        "status": random.choice(("ABANDONED", "ABANDONED", "ABANDONED", "RECOVERED", None)),
        "currency": random.choice(("EUR", "USD", "JPY", "eur", None)),
        "totalPrice": {"amount": random.choice(("85.50", "85.5", "0", "-1", "1e3", 12, None))},
        "buyerInfo": random.choice(
            (
                None,
                {},
                {"visitorId": "v-1"},
                {"memberId": "m-1", "contactId": "contact-one", "email": "ada@mail.example"},
                {"userId": "u-1", "email": "owner@shop.example"},
            )
        ),
        "contactDetails": random.choice((None, {"phone": "+15550001111", "firstName": "Ada"})),
        "checkoutUrl": random.choice((None, "http://shop.example/c", "https://shop.example/c")),
        "activities": [
            {"type": kind, "createdDate": instant(random, now)}
            for kind in random.sample(("SCHEDULED", "EMAIL_SENT", "NOTIFICATION_SENT"), 2)
        ],
        "lineItems": random.choice(
            (None, [], [{"id": "l-1", "quantity": 2, "price": {"amount": "42.75"}}])
        ),
    }
    if random.random() < 0.04:
        name = random.choice(sorted(value))
        value[name] = random.choice((7, ["x"], {"a": 1}, "2026-02-30T00:00:00Z"))
    return {name: field for name, field in value.items() if field is not None}
