"""Reading what is inside a genuine webhook is total: a record, or a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dead_letter import DeadLetterReason
from streams.adapters.errors import InvalidMessage
from streams.adapters.source_topic import source_record
from streams.adapters.wix import OtherEvent, Webhook, read_webhook
from streams.domain.events import Origin
from tests.support.builders import CHECKOUT, SITE, T0, entity, wix_event

EVENT = wix_event("created", entity(), event_id="e-1", when=T0)
ENVELOPE = {
    "data": json.dumps(EVENT),
    "instanceId": SITE,
    "eventType": "wix.ecom.v1.abandoned_checkout_created",
}
RECEIVED = datetime(2026, 3, 1, 12, 0, 0, 123_999, tzinfo=UTC)

words = st.sampled_from(
    [
        *("data", "instanceId", "eventType", "identity", "accountInfo", "entityId", "id", "slug"),
        *("entityFqdn", "eventTime", "createdEvent", "entity", "entityAsJson", "actionEvent"),
        *("body", "bodyAsJson", "abandonedCheckout", "deletedEvent", "originatedFrom"),
    ]
)
texts = st.one_of(
    st.sampled_from([SITE, CHECKOUT, "wix.ecom.v1.abandoned_checkout_updated", "", "null", "{}"]),
    st.text(),
    st.text(st.characters(categories=("Cs", "Cc", "Zs"))),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(words, inner, max_size=4),
        st.dictionaries(words, inner, max_size=4).map(json.dumps),
    ),
    max_leaves=12,
)


def read(claims: Any) -> Webhook | OtherEvent | str:
    """The verdict, a text if it is a reason; what is accepted must make a record."""
    try:
        found = read_webhook(claims)
    except InvalidMessage as invalid:
        return DeadLetterReason(invalid.reason).value
    if isinstance(found, Webhook):
        record = source_record(found, origin=Origin.WEBHOOK, received_at=RECEIVED)
        assert record.key
        assert all(isinstance(value, bytes) for _, value in record.headers)
    return found


def webhook(claims: Any) -> Webhook:
    found = read(claims)
    assert isinstance(found, Webhook)
    return found


def claims_of(event: Any, **changes: Any) -> dict[str, str]:
    inner = event if isinstance(event, str) else json.dumps(event)
    full = {**ENVELOPE, "data": inner, **changes}
    return {"data": json.dumps({name: value for name, value in full.items() if value is not None})}


@settings(max_examples=400)
@given(st.dictionaries(words, values))
def test_any_claims_have_a_verdict(claims: dict[str, Any]) -> None:
    read(claims)


@settings(max_examples=400)
@given(st.dictionaries(words, values))
def test_any_envelope_has_a_verdict(envelope: dict[str, Any]) -> None:
    read({"data": json.dumps({**ENVELOPE, **envelope})})


@settings(max_examples=400)
@given(st.dictionaries(words, values))
def test_any_event_has_a_verdict(event: dict[str, Any]) -> None:
    read(claims_of({**EVENT, **event}))


@given(st.dictionaries(words, values))
def test_an_accepted_event_is_kept_byte_for_byte(event: dict[str, Any]) -> None:
    inner = json.dumps({**EVENT, **event}, indent=1)
    found = read(claims_of(inner))
    if isinstance(found, Webhook):
        assert found.value == inner.encode()


@pytest.mark.parametrize(
    "member",
    [
        {"createdEvent": {"entity": {"id": "A-1"}}},
        {"createdEvent": {"entityAsJson": {"id": "A-1"}}},
        {"createdEvent": {"entityAsJson": '{"id": "A-1"}'}},
        {"updatedEvent": {"currentEntity": {"id": "A-1"}, "modifiedFields": {}}},
        {"updatedEvent": {"currentEntityAsJson": '{"id": "A-1"}'}},
        {"actionEvent": {"body": {"abandonedCheckout": {"id": "A-1"}}}},
        {"actionEvent": {"bodyAsJson": '{"abandonedCheckout": {"id": "A-1"}}'}},
        {"actionEvent": {"bodyAsJson": {"abandonedCheckout": {"id": "A-1"}}}},
        {"deletedEvent": {"deletedEntity": {"id": "A-1"}}},
        {"deletedEvent": {"deletedEntityAsJson": '{"id": "A-1"}'}},
        {"deletedEvent": {}, "entityId": "A-1"},
        {"createdEvent": {"entity": {"id": "B-2"}}, "entityId": "A-1"},
    ],
)
def test_the_checkout_id_is_found_wherever_it_is_and_is_lower_case(member: dict[str, Any]) -> None:
    assert webhook(claims_of({"id": "e", "eventTime": "x", **member})).checkout_id == "a-1"


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "null",
        "[]",
        '"text"',
        "{",
        '{"a": 1} x',
        '{"entityId": "a", "x": NaN}',
        '{"entityId": "a", "x": -Infinity}',
        '{"x":' * 50_000,
        '{"x":' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"entityId": "a", "x": ' + "9" * 5_000,
    ],
)
def test_an_event_that_is_no_json_object_is_unreadable(inner: str) -> None:
    assert read(claims_of(inner)) == "event_unreadable"


@pytest.mark.parametrize(
    "inner",
    [
        '{"entityId":"a","entityId":"A-1"}',
        '{"entityId":"A-1","x":' + "9" * 400 + "}",
        '{"entityId":"A-1","x":1e999}',
        '{"entityId":"A-1","x":"\\ud800"}',
        '{"entityId":"A-1","\\udfff":1}',
        '\t{ "entityId" : "A-1" }\n',
    ],
    ids=["repeated-name", "huge", "beyond-floats", "half-surrogate", "half-name", "spaces"],
)
def test_odd_json_is_json_and_is_kept_as_it_is(inner: str) -> None:
    found = webhook(claims_of(inner))
    assert (found.checkout_id, found.value) == ("a-1", inner.encode())


def test_an_event_that_is_no_string_but_an_object_is_written_compactly() -> None:
    found = webhook({"data": json.dumps({**ENVELOPE, "data": {"entityId": "A-1", "x": "é"}})})
    assert found.value == '{"entityId":"A-1","x":"é"}'.encode()


@pytest.mark.parametrize("identity", ['{"identityType": "APP"}', {"identityType": "APP"}])
def test_an_identity_is_json_whether_it_was_a_string_or_an_object(identity: Any) -> None:
    found = webhook(claims_of(EVENT, identity=identity))
    assert found.identity is not None
    assert json.loads(found.identity) == {"identityType": "APP"}


@pytest.mark.parametrize("junk", ["", 0, None, [], {}, "not json", "\ud800"])
def test_an_unreadable_identity_or_account_is_left_out(junk: Any) -> None:
    found = webhook(claims_of(EVENT, identity=junk, accountInfo=junk))
    assert (found.identity, found.account_info) == (None, None)


@pytest.mark.parametrize(
    ("event_type", "fqdn", "is_ours"),
    [
        ("wix.ecom.v1.abandoned_checkout_created", "wix.ecom.v1.abandoned_checkout", True),
        ("wix.ecom.v1.abandoned_checkout_something_new", "wix.ecom.v1.abandoned_checkout", True),
        (None, "wix.ecom.v1.abandoned_checkout", True),
        ("wix.ecom.v1.order_approved", "wix.ecom.v1.abandoned_checkout", False),
        (None, "wix.ecom.v1.order", False),
        ("AppInstalled", None, False),
    ],
)
def test_whose_event_it_is_is_judged_by_its_type_then_by_its_entity(
    *, event_type: str | None, fqdn: str | None, is_ours: bool
) -> None:
    event = {name: value for name, value in EVENT.items() if name != "entityFqdn"}
    if fqdn is not None:
        event["entityFqdn"] = fqdn
    assert isinstance(read(claims_of(event, eventType=event_type)), Webhook) == is_ours


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n", False),
        ("", False),
        (None, False),
    ],
)
def test_a_trace_goes_on_if_it_is_one_and_begins_anew_if_not(
    *, given: str | None, is_kept: bool
) -> None:
    record = source_record(
        webhook(claims_of(EVENT)), origin=Origin.WEBHOOK, received_at=RECEIVED, traceparent=given
    )
    found = dict(record.headers)["traceparent"].decode()
    assert (found == given) == is_kept
    assert len(found) == 55


def test_the_headers_are_a_cloud_event_and_what_the_envelope_said() -> None:
    account = {"accountId": "acc", "siteId": "s"}
    found = webhook(claims_of({**EVENT, "originatedFrom": "x"}, accountInfo=account))
    record = source_record(found, origin=Origin.BACKFILL, received_at=RECEIVED)
    headers = dict(record.headers)
    headers.pop("traceparent")
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": b"e-1",
        "ce_type": b"wix.ecom.v1.abandoned_checkout_created",
        "ce_source": f"/wix/instances/{SITE}".encode(),
        "ce_subject": CHECKOUT.encode(),
        "ce_time": EVENT["eventTime"].encode(),
        "content-type": b"application/json",
        "ce_instanceid": SITE.encode(),
        "ce_accountinfo": b'{"accountId":"acc","siteId":"s"}',
        "ce_originatedfrom": b"x",
        "ce_receivedtime": b"2026-03-01T12:00:00.123Z",
        "ce_origin": b"backfill",
    }
    assert record.timestamp_ms == 1_772_366_400_123
