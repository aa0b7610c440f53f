"""The committed examples of the contracts: made by the product from webhooks as Wix sends them.

``python -m tests.support.examples`` writes them anew; a test compares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.adapters.dead_letters import dead_letter_headers
from streams.adapters.errors import InvalidMessage
from streams.adapters.source_topic import source_record
from streams.adapters.wix import Webhook, read_webhook
from streams.config import load_settings
from streams.domain.events import Origin
from streams.domain.law import Law
from streams.worker.measuring import Measuring
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Outgoing, Target
from streams.worker.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY = Path(__file__).parents[2] / "schemas" / "examples"
SOURCE = "wix.abandoned-checkouts.v1"
SITE = "0f4b9e53-7c1d-4a58-9a8c-2f6d1b7e4c10"
WIX_SITE = "b7a1f2c8-3d4e-4f5a-8b9c-0d1e2f3a4b5c"
ACCOUNT = "7c2e9d41-5b6a-4c3d-9e8f-1a2b3c4d5e6f"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
START = datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC)


@dataclass(frozen=True)
class Step:
    """One webhook of a scenario: ``name`` becomes the file's."""

    name: str
    slug: str
    minutes: float
    entity: dict[str, Any] | None
    is_anonymize: bool = False
    has_sequence: bool = True


def guid(number: int) -> str:
    return f"{number:08x}-1d2c-4b3a-8f9e-5a6b7c8d9e0f"


def instant(minutes: float, *, digits: str = "milliseconds") -> str:
    value = START + timedelta(minutes=minutes)
    return value.isoformat(timespec=digits).replace("+00:00", "Z")


def price(amount: str, symbol: str, **converted: str) -> dict[str, str]:
    return {"amount": amount, "formattedAmount": f"{symbol}{amount}", **converted}


def guest(*, minutes: float = 0, **changes: Any) -> dict[str, Any]:
    """A guest in Berlin who leaves before typing an e-mail; two lines, one coupon, EUR."""
    return {
        "id": guid(1),
        "createdDate": instant(0),
        "updatedDate": instant(minutes),
        "checkoutId": guid(0x101),
        "cartId": guid(0x102),
        "status": "ABANDONED",
        "buyerLanguage": "de",
        "buyerInfo": {"visitorId": guid(0x103)},
        "currency": "EUR",
        "conversionCurrency": "EUR",
        "totalPrice": price("81.22", "€"),
        "subtotalPrice": price("85.50", "€"),
        "activities": [],
        "checkoutUrl": "http://tassen.example/checkout?checkoutId=0101&currency=EUR",
        "lineItems": [
            {
                "id": "00000000-0000-0000-0000-000000000001",
                "quantity": 2,
                "catalogReference": {
                    "catalogItemId": guid(0x104),
                    "appId": "1380b703-ce81-ff05-f115-39571d94dfcd",
                    "options": {"options": {"Farbe": "Blau"}},
                },
                "productName": {"original": "Mug", "translated": "Tasse"},
                "price": price("30.25", "€"),
                "priceBeforeDiscounts": price("33.00", "€"),
                "descriptionLines": [
                    {
                        "name": {"original": "Colour", "translated": "Farbe"},
                        "colorInfo": {"original": "Blue", "translated": "Blau", "code": "#0000ff"},
                    }
                ],
                "image": {
                    "id": "mug.jpg",
                    "url": "https://static.shop.example/mug.jpg",
                    "height": 600,
                    "width": 800,
                    "altText": "A blue mug",
                },
                "physicalProperties": {"weight": 0.4, "sku": "MUG-BLUE", "shippable": True},
            },
            {
                "id": "00000000-0000-0000-0000-000000000002",
                "quantity": 1,
                "productName": {"original": "Gift wrap", "translated": "Geschenkpapier"},
                "price": price("25.00", "€"),
                "image": "https://static.shop.example/wrap.jpg",
                "physicalProperties": {"shippable": False},
            },
        ],
        "appliedDiscounts": [
            {
                "coupon": {
                    "id": guid(0x105),
                    "code": "SPRING5",
                    "name": "Spring",
                    "amount": price("4.28", "€"),
                },
                "discountType": "GLOBAL",
                "lineItemIds": ["00000000-0000-0000-0000-000000000001"],
            }
        ],
        "somethingThatWixAddedLater": {"kept": True},
        **changes,
    }


def member(*, minutes: float = 0, **changes: Any) -> dict[str, Any]:
    """A member in Brazil who leaves a cart of a shop in USD; known by contact and e-mail."""
    return {
        "id": guid(2),
        "createdDate": instant(60),
        "updatedDate": instant(minutes),
        "checkoutId": "",
        "cartId": guid(0x202),
        "status": "ABANDONED",
        "buyerLanguage": "pt_br",
        "buyerInfo": {
            "memberId": guid(0x203),
            "contactId": guid(0x204),
            "email": "joana@mail.example",
        },
        "contactDetails": {
            "firstName": "Joana",
            "lastName": "Silva",
            "phone": "+55 11 5550-0100",
            "company": "Padaria Silva",
            "vatId": {"id": "000.000.000-00", "type": "CPF"},
        },
        "currency": "USD",
        "conversionCurrency": "BRL",
        "totalPrice": price(
            "120", "$", convertedAmount="612.00", formattedConvertedAmount="R$ 612,00"
        ),
        "subtotalPrice": price(
            "150", "$", convertedAmount="765.00", formattedConvertedAmount="R$ 765,00"
        ),
        "activities": [{"createdDate": instant(61), "type": "SCHEDULED"}],
        "checkoutUrl": "https://bags.example/cart?id=0202",
        "lineItems": [
            {
                "id": "00000000-0000-0000-0000-000000000001",
                "quantity": 1,
                "productName": {"original": "Leather bag", "translated": "Bolsa de couro"},
                "price": price("120", "$"),
                "priceBeforeDiscounts": price("150", "$"),
                "physicalProperties": {"sku": "BAG-1", "shippable": True},
            }
        ],
        "appliedDiscounts": [
            {
                "discountRule": {
                    "id": guid(0x205),
                    "name": {"original": "Members", "translated": "Membros"},
                    "amount": price("30", "$"),
                },
                "discountType": "SPECIFIC_ITEMS",
                "lineItemIds": ["00000000-0000-0000-0000-000000000001"],
            }
        ],
        **changes,
    }


def tokyo(*, minutes: float = 0, **changes: Any) -> dict[str, Any]:
    """A guest in Tokyo; JPY has no decimals."""
    return {
        "id": guid(3),
        "createdDate": instant(120),
        "updatedDate": instant(minutes),
        "checkoutId": guid(0x301),
        "status": "ABANDONED",
        "buyerLanguage": "ja",
        "buyerInfo": {"visitorId": guid(0x303), "email": "hanako@mail.example"},
        "contactDetails": {"firstName": "花子", "lastName": "山田"},
        "currency": "JPY",
        "totalPrice": price("4800", "¥"),
        "subtotalPrice": price("4800", "¥"),
        "checkoutUrl": "https://kami.example/checkout?checkoutId=0301",
        "lineItems": [
            {
                "id": "00000000-0000-0000-0000-000000000001",
                "quantity": 3,
                "productName": {"original": "和紙"},
                "price": price("1600", "¥"),
            }
        ],
        **changes,
    }


SENT = [
    {"createdDate": instant(15), "type": "SCHEDULED"},
    {"createdDate": instant(60), "type": "EMAIL_SENT"},
]
TYPED = {"visitorId": guid(0x103), "email": "anna@mail.example"}
STEPS = (
    Step("guest-without-email", "created", 1, guest(minutes=1)),
    Step("guest-typed-email", "updated", 4, guest(minutes=4, buyerInfo=TYPED)),
    Step("guest-reminded", "updated", 61, guest(minutes=61, buyerInfo=TYPED, activities=SENT)),
    Step(
        "guest-recovered",
        "recovered",
        95,
        guest(
            minutes=95,
            buyerInfo=TYPED,
            activities=SENT,
            status="RECOVERED",
            checkoutRecoveredDate=instant(95),
        ),
    ),
    Step("member-cart", "created", 121, member(minutes=121)),
    Step("member-deleted", "deleted", 500, member(minutes=500), has_sequence=False),
    Step("late-recovered-first", "recovered", 700, tokyo(minutes=700, status="RECOVERED")),
    Step("late-created", "created", 120, tokyo(minutes=120), has_sequence=False),
    Step(
        "guest-anonymized",
        "updated",
        800,
        {
            **guest(minutes=800, status="RECOVERED", checkoutRecoveredDate=instant(95)),
            "buyerInfo": {},
            "checkoutUrl": None,
        },
        is_anonymize=True,
    ),
    Step("minimal", "created", 900, {"id": guid(4), "status": "ABANDONED"}),
    Step("deleted-unknown", "deleted", 950, None, has_sequence=False),
)


def wix_event(number: int, step: Step) -> dict[str, Any]:
    """The domain event, as Wix sends it."""
    members: dict[str, dict[str, Any]] = {
        "created": {"createdEvent": {"entity": step.entity}},
        "updated": {"updatedEvent": {"currentEntity": step.entity}},
        "recovered": {"actionEvent": {"body": {"abandonedCheckout": step.entity}}},
        "deleted": {"deletedEvent": {"deletedEntity": step.entity} if step.entity else {}},
    }
    event: dict[str, Any] = {
        "id": guid(0xE000 + number),
        "entityFqdn": "wix.ecom.v1.abandoned_checkout",
        "slug": step.slug,
        "entityId": step.entity["id"] if step.entity else guid(5),
        **members[step.slug],
        "eventTime": instant(step.minutes, digits="microseconds"),
        "triggeredByAnonymizeRequest": step.is_anonymize,
    }
    if step.has_sequence:
        event["entityEventSequence"] = str(number + 1)
    return event


def webhook(number: int, step: Step) -> Webhook:
    """What the ingress reads out of the token."""
    event = wix_event(number, step)
    claims = {
        "data": json.dumps(
            {
                "data": json.dumps(event, ensure_ascii=False, separators=(",", ":")),
                "instanceId": SITE,
                "eventType": f"wix.ecom.v1.abandoned_checkout_{step.slug}",
                "identity": json.dumps({"identityType": "WIX_USER", "wixUserId": ACCOUNT}),
                "accountInfo": {"accountId": ACCOUNT, "siteId": WIX_SITE},
            }
        )
    }
    found = read_webhook(claims)
    assert isinstance(found, Webhook)
    return found


def records() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Topic, name and content of every example."""
    settings = load_settings()
    law = Law(settings.windows, settings.horizon, settings.announce_within)
    metrics = WorkerMetrics()
    tracking, measuring = Tracking(law, metrics), Measuring(law, metrics)
    checkouts: dict[bytes, bytes] = {}
    cohorts: dict[bytes, bytes] = {}
    facts = 0
    newest: Outgoing | None = None
    for number, step in enumerate(STEPS):
        received = START + timedelta(minutes=max(step.minutes, 0), seconds=1)
        if step.name == "late-created":
            received = START + timedelta(minutes=705)
        source = source_record(
            webhook(number, step), origin=Origin.WEBHOOK, received_at=received, traceparent=TRACE
        )
        yield (
            SOURCE,
            f"{number + 1:02d}-{step.name}",
            shown(source.key, source.value, list(source.headers)),
        )
        incoming = Incoming(
            SOURCE, 0, number, source.key, source.value, [*source.headers], source.timestamp_ms
        )
        for outgoing in tracking.process(incoming, checkouts):
            if outgoing.target is Target.FACTS:
                fact = Incoming(Target.FACTS.value, 0, facts, outgoing.key, outgoing.value, [], 0)
                facts += 1
                published = measuring.process(fact, cohorts)
                newest = published[-1] if published else newest
            else:
                kind = json.loads(outgoing.value or b"")["type"].removeprefix("checkout.")
                yield (
                    outgoing.target.value,
                    f"{number + 1:02d}-{kind}-{step.name}",
                    shown(outgoing.key, outgoing.value, outgoing.headers),
                )
    assert newest is not None
    yield newest.target.value, "site", shown(newest.key, newest.value, newest.headers)
    yield "checkout-recovery.dead-letters.v1", "site-missing", dead_letter()


def dead_letter() -> dict[str, Any]:
    """A genuine event without an instance id, as the ingress keeps it."""
    event = json.dumps({"id": guid(0xEEEE), "entityId": guid(9), "slug": "created"})
    claims = {"data": json.dumps({"data": event}), "iat": 1_773_480_413}
    try:
        read_webhook(claims)
    except InvalidMessage as invalid:
        headers = dead_letter_headers(
            [("content-type", b"application/json")],
            reason=invalid.reason,
            stage="ingress",
            at=START,
        )
        return shown(None, json.dumps(claims).encode(), headers)
    raise AssertionError("an event without a site was read")


def shown(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> dict[str, Any]:
    """A record as people can read it; the value's bytes are those of compact JSON."""
    assert value is not None
    return {
        "key": key.decode() if key is not None else None,
        "headers": {name: (text or b"").decode() for name, text in headers},
        "value": json.loads(value),
    }


def text_of(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    for file in DIRECTORY.rglob("*.json"):
        file.unlink()
    for topic, name, content in records():
        file = DIRECTORY / topic / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text_of(content), "utf-8")


if __name__ == "__main__":
    main()
