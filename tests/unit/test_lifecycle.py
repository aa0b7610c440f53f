"""Every field of the lifecycle events, by value, through the worker's own processing."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from schemas.lifecycle import LIFECYCLE, NAMESPACE
from streams.domain.law import Law
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Outgoing, Target
from streams.worker.tracking import Tracking
from tests.support.builders import (
    CHECKOUT,
    OTHER_SITE,
    SITE,
    T0,
    at,
    entity,
    headers,
    text,
    wix_event,
)

MAXIMAL: dict[str, Any] = {
    "id": CHECKOUT,
    "createdDate": "2026-03-01T12:00:00.000Z",
    "updatedDate": "2026-03-01T12:30:00.000Z",
    "checkoutId": "chk-1",
    "cartId": "cart-1",
    "status": "ABANDONED",
    "buyerLanguage": "pt_br",
    "buyerInfo": {"memberId": "m-1", "contactId": "con-1", "email": "ada@mail.example"},
    "contactDetails": {
        "firstName": "Ada",
        "lastName": "Lovelace",
        "phone": "+44 20 7946 0000",
        "company": "Engines Ltd",
        "vatId": {"id": "123", "type": "CPF"},
    },
    "currency": "EUR",
    "conversionCurrency": "USD",
    "totalPrice": {
        "amount": "85.50",
        "convertedAmount": "92.10",
        "formattedAmount": "85,50 €",
        "formattedConvertedAmount": "$92.10",
    },
    "subtotalPrice": {
        "amount": "95",
        "convertedAmount": "102.30",
        "formattedAmount": "95,00 €",
        "formattedConvertedAmount": "$102.30",
    },
    "activities": [
        {"createdDate": "2026-03-01T12:05:00.000Z", "type": "SCHEDULED"},
        {"createdDate": "2026-03-01T12:25:00.000Z", "type": "EMAIL_SENT"},
        {"createdDate": "2026-03-01T12:26:00.000Z", "type": "INVENTED_LATER"},
    ],
    "checkoutUrl": "http://shop.example/checkout?id=1",
    "lineItems": [
        {
            "id": "l-1",
            "quantity": 3,
            "catalogReference": {"catalogItemId": "item-1", "appId": "app-1", "options": {"a": 1}},
            "productName": {"original": "Caneca", "translated": "Mug"},
            "price": {"amount": "28.50", "formattedAmount": "28,50 €"},
            "priceBeforeDiscounts": {"amount": "31.67"},
            "descriptionLines": [
                {
                    "name": {"original": "Tamanho", "translated": "Size"},
                    "plainText": {"original": "G", "translated": "L"},
                },
                {
                    "name": {"original": "Cor"},
                    "colorInfo": {"original": "Azul", "translated": "Blue", "code": "#00f"},
                },
            ],
            "image": {
                "id": "i.jpg",
                "url": "http://static.example/i.jpg",
                "height": 600,
                "width": 800,
                "altText": "A mug",
            },
            "physicalProperties": {"weight": 0.4, "sku": "MUG-1", "shippable": True},
        }
    ],
    "appliedDiscounts": [
        {
            "discountType": "GLOBAL",
            "lineItemIds": ["l-1"],
            "coupon": {"id": "co", "code": "TEN", "name": "Ten off", "amount": {"amount": "9.50"}},
        },
        {"merchantDiscount": {"amount": {"amount": "1"}, "percentage": 2.5}},
        {
            "discountType": "SPECIFIC_ITEMS",
            "discountRule": {"id": "r", "name": {"original": "Spring"}, "amount": {"amount": "3"}},
        },
    ],
    "unknownField": {"kept": True},
}


def eur(amount: str, formatted: str | None = None) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR", "formatted": formatted}


def usd(amount: str, formatted: str) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD", "formatted": formatted}


COMMON: dict[str, Any] = {
    "schema_version": 1,
    "recorded_at": "2026-03-01T12:40:00.000Z",
    "origin": "webhook",
    "source_event_id": "e-1",
    "abandoned_checkout_id": CHECKOUT,
    "instance_id": SITE,
    "site_id": "site-1",
    "account_id": "acc-1",
    "status": "ABANDONED",
    "stage": "checkout",
    "is_staff": False,
    "abandoned_at": "2026-03-01T12:00:00.000Z",
    "checkout_id": "chk-1",
    "cart_id": "cart-1",
    "buyer": {
        "kind": "member",
        "id": "m-1",
        "contact_id": "con-1",
        "email": "ada@mail.example",
        "phone": "+44 20 7946 0000",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "company": "Engines Ltd",
    },
    "reachable_by": ["email", "phone", "contact"],
    "subject_key": "contact:con-1",
    "language": "pt-BR",
    "wix_language": "pt_br",
    "total": eur("85.50", "85,50 €"),
    "subtotal": eur("95", "95,00 €"),
    "converted_total": usd("92.10", "$92.10"),
    "converted_subtotal": usd("102.30", "$102.30"),
    "checkout_url": "https://shop.example/checkout?id=1",
    "line_items": [
        {
            "id": "l-1",
            "quantity": 3,
            "catalog_item_id": "item-1",
            "catalog_app_id": "app-1",
            "sku": "MUG-1",
            "name": {"original": "Caneca", "translated": "Mug"},
            "options": [
                {
                    "name": {"original": "Tamanho", "translated": "Size"},
                    "value": {"original": "G", "translated": "L"},
                },
                {
                    "name": {"original": "Cor", "translated": None},
                    "value": {"original": "Azul", "translated": "Blue"},
                },
            ],
            "unit_price": eur("28.50", "28,50 €"),
            "unit_price_before_discounts": eur("31.67"),
            "line_total": eur("85.50"),
            "image": {
                "url": "https://static.example/i.jpg",
                "width": 800,
                "height": 600,
                "alt_text": "A mug",
            },
            "shippable": True,
        }
    ],
    "item_count": 3,
    "discounts": [
        {
            "kind": "coupon",
            "code": "TEN",
            "name": "Ten off",
            "amount": eur("9.50"),
            "percentage": None,
            "scope": "GLOBAL",
            "line_item_ids": ["l-1"],
        },
        {
            "kind": "merchant",
            "code": None,
            "name": None,
            "amount": eur("1"),
            "percentage": "2.5",
            "scope": None,
            "line_item_ids": [],
        },
        {
            "kind": "rule",
            "code": None,
            "name": "Spring",
            "amount": eur("3"),
            "percentage": None,
            "scope": "SPECIFIC_ITEMS",
            "line_item_ids": [],
        },
    ],
    "automation": {
        "activities": [
            {"type": "SCHEDULED", "occurred_at": "2026-03-01T12:05:00.000Z"},
            {"type": "EMAIL_SENT", "occurred_at": "2026-03-01T12:25:00.000Z"},
            {"type": "INVENTED_LATER", "occurred_at": "2026-03-01T12:26:00.000Z"},
        ],
        "is_scheduled": False,
        "messages_sent": 1,
        "last_message_at": "2026-03-01T12:25:00.000Z",
    },
}

NOBODY = dict.fromkeys(COMMON["buyer"])


class Agent:
    """The agent's work on a plain dictionary."""

    def __init__(self) -> None:
        self.table: dict[bytes, bytes] = {}
        self.tracking = Tracking(Law(), WorkerMetrics())
        self.offset = 0

    def receive(self, event: dict[str, Any], *, site: str = SITE) -> list[Outgoing]:
        value = json.dumps(event).encode()
        account = '{"siteId": "SITE-1", "accountId": "acc-1"}'
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        found = headers(at(40), site=site, ce_accountinfo=account, traceparent=trace)
        incoming = Incoming("source", 0, self.offset, CHECKOUT.encode(), value, found, 0)
        self.offset += 1
        return self.tracking.process(incoming, self.table)

    def told(self, event: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """Lifecycle events, each valid by the strict contract."""
        values = []
        for outgoing in self.receive(event, **more):
            if outgoing.target is Target.EVENTS:
                assert outgoing.value is not None
                LIFECYCLE.validate_json(outgoing.value)
                values.append(json.loads(outgoing.value))
        return values


def created(body: dict[str, Any] = MAXIMAL, **more: Any) -> dict[str, Any]:
    return wix_event("created", body, event_id="e-1", when=T0, **more)


def identity(kind: str, discriminator: str = "") -> str:
    return str(uuid.uuid5(NAMESPACE, f"{CHECKOUT}|{kind}|{discriminator}"))


def test_every_field_of_an_abandonment_has_its_value() -> None:
    (value,) = Agent().told(created())
    assert value == {
        **COMMON,
        "type": "checkout.abandoned",
        "event_id": identity("checkout.abandoned"),
        "occurred_at": "2026-03-01T12:00:00.000Z",
        "revision": 1,
        "expires_at": "2026-03-08T12:00:00.000Z",
    }


def test_every_field_of_a_change_has_its_value() -> None:
    agent = Agent()
    agent.told(created())
    body = {**MAXIMAL, "updatedDate": "2026-03-01T12:50:00.000Z", "buyerInfo": {"visitorId": "v"}}
    event = wix_event("updated", body, event_id="e-2", when=at(50), sequence=7)
    (value,) = agent.told(event)
    moment = "2026-03-01T12:50:00.000000Z"
    assert value == {
        **COMMON,
        "type": "checkout.changed",
        "event_id": identity("checkout.changed", f"{moment}/7/{moment}/e-2"),
        "source_event_id": "e-2",
        "occurred_at": "2026-03-01T12:50:00.000Z",
        "revision": 2,
        "changed_fields": ["buyer"],
        "reachable_by": ["phone"],
        "subject_key": "visitor:v",
        "buyer": {
            **COMMON["buyer"],
            "kind": "visitor",
            "id": "v",
            "contact_id": None,
            "email": None,
        },
    }
    assert agent.told(event) == []


def test_every_field_of_a_recovery_has_its_value() -> None:
    agent = Agent()
    agent.told(created())
    body = {
        **MAXIMAL,
        "updatedDate": "2026-03-01T13:00:00.000Z",
        "status": "RECOVERED",
        "checkoutRecoveredDate": "2026-03-01T12:55:30.500Z",
    }
    event = wix_event("recovered", body, event_id="e-3", when=at(60))
    (value,) = agent.told(event)
    assert value == {
        **COMMON,
        "type": "checkout.recovered",
        "event_id": identity("checkout.recovered"),
        "source_event_id": "e-3",
        "status": "RECOVERED",
        "occurred_at": "2026-03-01T12:55:30.500Z",
        "revision": 2,
        "recovered_at": "2026-03-01T12:55:30.500Z",
        "time_to_recovery_seconds": 3330,
        "recovered_total": eur("85.50", "85,50 €"),
        "was_announced_abandoned": True,
        "last_touch": {
            "type": "EMAIL_SENT",
            "occurred_at": "2026-03-01T12:25:00.000Z",
            "seconds_before_recovery": 1830,
        },
    }


def impersonal() -> dict[str, Any]:
    items = [{**item, "options": []} for item in COMMON["line_items"]]
    coupon, *others = COMMON["discounts"]
    hidden = {**coupon, "kind": None, "code": None, "name": None, "amount": None}
    return {
        **COMMON,
        "buyer": NOBODY,
        "reachable_by": [],
        "subject_key": None,
        "checkout_url": None,
        "line_items": items,
        "discounts": [hidden, *others],
    }


def test_every_field_of_an_erasure_has_its_value_and_none_is_personal() -> None:
    agent = Agent()
    agent.told(created())
    event = wix_event("updated", MAXIMAL, event_id="e-4", when=at(70), anonymize=True)
    (value,) = agent.told(event)
    assert value == {
        **impersonal(),
        "type": "checkout.anonymized",
        "event_id": identity("checkout.anonymized"),
        "source_event_id": "e-4",
        "occurred_at": "2026-03-01T13:10:00.000Z",
        "revision": 2,
        "erased_fields": [
            "buyer",
            "checkout_url",
            "subject_key",
            "line_items.options",
            "coupons",
        ],
    }
    assert b"ada@mail" not in agent.table[CHECKOUT.encode()]
    later = wix_event(
        "recovered",
        {**MAXIMAL, "updatedDate": text(at(90)), "status": "RECOVERED"},
        event_id="e-5",
        when=at(90),
    )
    (recovered,) = agent.told(later)
    assert recovered["buyer"] == NOBODY
    assert "ada@mail" not in json.dumps(recovered)


def test_every_field_of_a_deletion_has_its_value() -> None:
    agent = Agent()
    agent.told(created())
    (value,) = agent.told(wix_event("deleted", None, event_id="e-6", when=at(80)))
    assert value == {
        **impersonal(),
        "type": "checkout.deleted",
        "event_id": identity("checkout.deleted"),
        "source_event_id": "e-6",
        "occurred_at": "2026-03-01T13:20:00.000Z",
        "revision": 2,
    }
    assert b"ada@mail" not in agent.table[CHECKOUT.encode()]
    assert agent.told(created()) == []
    assert b"ada@mail" not in agent.table[CHECKOUT.encode()], "a straggler brings nothing back"


def test_of_a_minimal_entity_every_key_is_present_and_null() -> None:
    agent = Agent()
    (value,) = agent.told(created({"id": CHECKOUT, "status": "ABANDONED"}))
    assert value.keys() == {*COMMON, "type", "event_id", "occurred_at", "revision", "expires_at"}
    nulls = {name for name, found in value.items() if found is None}
    assert nulls == {
        "checkout_id",
        "cart_id",
        "subject_key",
        "language",
        "wix_language",
        "total",
        "subtotal",
        "converted_total",
        "converted_subtotal",
        "checkout_url",
    }
    assert value["buyer"] == NOBODY
    assert value["stage"] == "cart"
    (recovered,) = agent.told(
        wix_event("recovered", {"id": CHECKOUT, "status": "RECOVERED"}, event_id="r", when=at(5))
    )
    assert recovered["time_to_recovery_seconds"] == 300
    assert recovered["recovered_total"] is None
    assert recovered["last_touch"] is None


def test_created_updated_and_recovered_twice_are_told_once_each() -> None:
    agent = Agent()
    told = []
    for event in (
        created(),
        wix_event("updated", MAXIMAL, event_id="u", when=at(1)),
        wix_event("recovered", {**MAXIMAL, "status": "RECOVERED"}, event_id="r1", when=at(2)),
        wix_event("recovered", {**MAXIMAL, "status": "RECOVERED"}, event_id="r2", when=at(3)),
    ):
        told += [value["type"] for value in agent.told(event)]
    assert told == ["checkout.abandoned", "checkout.recovered"]


def test_recovered_first_and_created_late_is_told_recovered_only() -> None:
    agent = Agent()
    recovery = wix_event("recovered", {**MAXIMAL, "status": "RECOVERED"}, event_id="r", when=at(2))
    (value,) = agent.told(recovery)
    assert value["type"] == "checkout.recovered"
    assert value["was_announced_abandoned"] is False
    assert agent.told(created()) == []


def test_the_record_is_a_cloud_event_in_the_trace_of_its_source() -> None:
    record = next(o for o in Agent().receive(created()) if o.target is Target.EVENTS)
    assert record.key == CHECKOUT.encode()
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": identity("checkout.abandoned").encode(),
        "ce_type": b"checkout.abandoned",
        "ce_source": f"/checkout-recovery/sites/{SITE}".encode(),
        "ce_subject": CHECKOUT.encode(),
        "ce_time": b"2026-03-01T12:00:00.000Z",
        "content-type": b"application/json",
        "traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }


def test_a_change_of_site_is_two_facts() -> None:
    agent = Agent()
    agent.receive(wix_event("created", MAXIMAL, event_id="e-9", when=T0, sequence=9))
    older = {**MAXIMAL, "updatedDate": "2026-03-01T12:01:00.000Z"}
    event = wix_event("created", older, event_id="e-0", when=T0, sequence=0)
    facts = [o for o in agent.receive(event, site=OTHER_SITE) if o.target is Target.FACTS]
    assert [fact.key for fact in facts] == [SITE.encode(), OTHER_SITE.encode()]
    first, second = (json.loads(fact.value or b"") for fact in facts)
    assert first["after"] is None
    assert second["before"] is None
    assert first["before"] == second["after"]
    assert second["source"] == {"partition": 0, "offset": 1}


def test_an_unreadable_record_is_a_dead_letter_with_its_bytes_and_its_reason() -> None:
    agent = Agent()
    (letter,) = agent.receive({**created(), "createdEvent": {"entity": "no"}})
    found = dict(letter.headers)
    assert letter.target is Target.DEAD_LETTERS
    assert letter.key == CHECKOUT.encode()
    assert found["dead_letter_reason"] == b"entity_unreadable"
    assert found["dead_letter_stage"] == b"track-checkouts"
    assert found["dead_letter_topic"] == b"source"
    assert found["ce_instanceid"] == SITE.encode()
    assert agent.table == {}


def test_what_has_aged_out_is_swept_from_the_table() -> None:
    agent = Agent()
    agent.receive(created())
    for number in range(3):
        other = wix_event(
            "created", entity(), event_id=f"n{number}", when=at(days=40), checkout=f"c{number}"
        )
        value = json.dumps(other).encode()
        incoming = Incoming("source", 0, 9, f"c{number}".encode(), value, headers(at(days=40)), 0)
        agent.tracking.process(incoming, agent.table)
    agent.tracking.forget()
    assert CHECKOUT.encode() not in agent.table
    assert len(agent.table) == 3


@pytest.mark.parametrize(
    ("address", "published"),
    [
        ("http://shop.example/a?b=1#c", "https://shop.example/a?b=1#c"),
        ("https://shop.example/", "https://shop.example/"),
        ("ftp://shop.example/", None),
        ("javascript:alert(1)", None),
        ("http://", None),
        ("http://[bad", None),
        ("", None),
    ],
)
def test_a_link_is_https_or_null(address: str, published: str | None) -> None:
    (value,) = Agent().told(created({**MAXIMAL, "checkoutUrl": address}))
    assert value["checkout_url"] == published


def test_fields_of_types_that_wix_never_announced_read_as_missing() -> None:
    odd = {
        **MAXIMAL,
        "cartId": ["x"],
        "buyerLanguage": "not a language",
        "lineItems": [7, {"quantity": "2", "image": "wix:image://v1/a.jpg", "price": "9"}],
        "appliedDiscounts": {"a": 1},
        "subtotalPrice": {"amount": "1e5"},
    }
    (value,) = Agent().told(created(odd))
    assert value["cart_id"] is None
    assert value["language"] is None
    assert value["item_count"] == 0
    assert value["line_items"][0]["unit_price"] is None
    assert value["discounts"] == []
    assert value["subtotal"] is None


def test_half_a_surrogate_pair_is_a_dead_letter() -> None:
    agent = Agent()
    raw = json.dumps(created({**MAXIMAL, "cartId": "MARK"})).replace("MARK", "\\ud800")
    incoming = Incoming("source", 0, 0, CHECKOUT.encode(), raw.encode(), headers(at(1)), 0)
    (letter,) = agent.tracking.process(incoming, agent.table)
    assert letter.target is Target.DEAD_LETTERS
    assert letter.value == raw.encode()


def test_a_number_beyond_floats_costs_no_other_field() -> None:
    agent = Agent()
    raw = json.dumps(created({**MAXIMAL, "unknownField": "MARK"})).replace('"MARK"', "1e999")
    incoming = Incoming("source", 0, 0, CHECKOUT.encode(), raw.encode(), headers(at(1)), 0)
    told = [o for o in agent.tracking.process(incoming, agent.table) if o.target is Target.EVENTS]
    assert json.loads(told[0].value or b"")["buyer"]["email"] == "ada@mail.example"
