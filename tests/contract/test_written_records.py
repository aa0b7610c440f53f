"""Whatever Wix sends, what we write is exactly what the contracts say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.conversion import check_conversion
from schemas.dead_letter import DeadLetterReason
from schemas.export import json_schemas
from schemas.lifecycle import check_lifecycle
from streams.config import load_settings
from streams.domain.law import Law
from streams.worker.measuring import Measuring
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Outgoing, Target
from streams.worker.tracking import Tracking
from tests.support.builders import CHECKOUT, T0, headers, wix_event

_SETTINGS = load_settings()
LAW = Law(_SETTINGS.windows, _SETTINGS.horizon, _SETTINGS.announce_within)
EVENTS = Draft202012Validator(json_schemas()["checkout-recovery.events.v1"])
CONVERSION = Draft202012Validator(json_schemas()["checkout-recovery.conversion.v1"])

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["", "0", "-1", "1e5", "0.5", "85.50", "1" * 17, "2026-03-01T12:00:00Z"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2)
    ),
    max_leaves=4,
)


def one_of(*usual: Any) -> st.SearchStrategy[Any]:
    """Mostly what Wix documents, sometimes anything."""
    return st.one_of(*(st.just(value) for value in usual), *[st.sampled_from(usual)] * 3, ANYTHING)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=fields) | ANYTHING


PRICES = objects(
    amount=one_of("85.50", "0", "1000000000000000", "12.3456789"),
    convertedAmount=one_of("99", "0.01"),
    formattedAmount=one_of("€85.50"),
    formattedConvertedAmount=one_of("R$ 99"),
)
NAMES = objects(original=one_of("Mug"), translated=one_of("Tasse"))
LINES = objects(
    id=one_of("l-1"),
    quantity=one_of(1, 3, 0, -1),
    catalogReference=objects(catalogItemId=one_of("i"), appId=one_of("a"), options=ANYTHING),
    productName=NAMES,
    price=PRICES,
    priceBeforeDiscounts=PRICES,
    descriptionLines=st.lists(objects(name=NAMES, plainText=NAMES, colorInfo=NAMES), max_size=2),
    image=objects(url=one_of("http://a.example/x.png"), width=one_of(3), height=one_of(4))
    | one_of("https://a.example/y.png"),
    physicalProperties=objects(sku=one_of("S"), shippable=one_of(True), weight=one_of(0.5)),
)
DISCOUNTS = objects(
    coupon=objects(code=one_of("SPRING"), name=one_of("Spring"), amount=PRICES),
    merchantDiscount=objects(amount=PRICES, percentage=one_of(10, 12.5, 1e-9, -5, 1e300)),
    discountRule=objects(name=NAMES, amount=PRICES),
    discountType=one_of("GLOBAL"),
    lineItemIds=st.lists(one_of("l-1"), max_size=2) | ANYTHING,
)
ENTITIES = st.fixed_dictionaries(
    {},
    optional={
        "id": one_of(CHECKOUT),
        "createdDate": one_of("2026-03-01T12:00:00Z", "2026-03-01T11:59:59.123456Z"),
        "updatedDate": one_of("2026-03-01T12:00:01Z"),
        "checkoutId": one_of("c-1", ""),
        "cartId": one_of("k-1"),
        "status": one_of("ABANDONED", "RECOVERED"),
        "buyerLanguage": one_of("de", "pt_br", "zh-hant-tw", "x"),
        "buyerInfo": objects(
            visitorId=one_of("v"),
            memberId=one_of("m"),
            userId=one_of("u"),
            contactId=one_of("c"),
            email=one_of("ada@mail.example"),
        ),
        "contactDetails": objects(firstName=one_of("Ada"), phone=one_of("+1 555 0100")),
        "currency": one_of("EUR", "JPY", "eur"),
        "conversionCurrency": one_of("BRL"),
        "totalPrice": PRICES,
        "subtotalPrice": PRICES,
        "activities": st.lists(
            objects(
                type=one_of("SCHEDULED", "EMAIL_SENT", "NEW_TYPE"),
                createdDate=one_of("2026-03-01T13:00:00Z", "2026-03-01T13:00:00.5Z", "soon"),
            ),
            max_size=3,
        )
        | ANYTHING,
        "checkoutRecoveredDate": one_of("2026-03-01T14:00:00.000Z"),
        "checkoutUrl": one_of("http://shop.example/c", "https://shop.example/c", "ftp://x", "//"),
        "lineItems": st.lists(LINES, max_size=3) | ANYTHING,
        "appliedDiscounts": st.lists(DISCOUNTS, max_size=2) | ANYTHING,
    },
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["created", "updated", "recovered", "deleted"]), ENTITIES, st.booleans()
    ),
    min_size=1,
    max_size=4,
)


def written(steps: list[tuple[str, Any, bool]]) -> list[Outgoing]:
    """What a worker writes for these events, one after the other."""
    metrics = WorkerMetrics()
    tracking, measuring = Tracking(LAW, metrics), Measuring(LAW, metrics)
    checkouts: dict[bytes, bytes] = {}
    cohorts: dict[bytes, bytes] = {}
    found: list[Outgoing] = []
    for number, (slug, entity, is_anonymize) in enumerate(steps):
        when = T0 + timedelta(hours=number)
        event = wix_event(slug, entity, event_id=f"e-{number}", when=when, anonymize=is_anonymize)
        value = json.dumps(event).encode()
        for outgoing in tracking.process(
            Incoming("s", 0, number, CHECKOUT.encode(), value, headers(when), 0), checkouts
        ):
            found.append(outgoing)
            if outgoing.target is Target.FACTS:
                fact = Incoming("f", 0, number, outgoing.key, outgoing.value, [], 0)
                found += measuring.process(fact, cohorts)
    return found


@given(STEPS)
@example([("created", {"lineItems": [{"quantity": -2, "price": {"amount": "5"}}]}, False)])
@example([("created", {"appliedDiscounts": [{"merchantDiscount": {"percentage": 1e-9}}]}, False)])
def test_every_record_of_a_worker_is_as_the_contracts_say(
    steps: list[tuple[str, Any, bool]],
) -> None:
    for outgoing in written(steps):
        value = outgoing.value or b""
        if outgoing.target is Target.EVENTS:
            event = check_lifecycle(value)
            assert outgoing.key == event.abandoned_checkout_id.encode()
            assert list(EVENTS.iter_errors(json.loads(value))) == []
        elif outgoing.target is Target.CONVERSION:
            check_conversion(value)
            assert list(CONVERSION.iter_errors(json.loads(value))) == []
        elif outgoing.target is Target.DEAD_LETTERS:
            given_reason = dict(outgoing.headers)["dead_letter_reason"] or b""
            assert DeadLetterReason(given_reason.decode())
