"""Reading the source topic: every spelling, and nothing but an event or an InvalidMessage."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.adapters.errors import InvalidMessage
from streams.adapters.source import read_source_event
from streams.domain.events import Kind, SourceEvent, Stage
from tests.support.builders import CHECKOUT, SITE, T0, at, entity, headers, text, wix_event


def read(value: Any, *, key: bytes | None = CHECKOUT.encode(), **more: Any) -> SourceEvent:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_source_event(
        key=key, value=raw, headers=more.get("headers", headers(at(1))), timestamp_ms=0
    )


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ({"createdEvent": {"entity": entity()}}, Kind.CREATED),
        ({"createdEvent": {"entityAsJson": json.dumps(entity())}}, Kind.CREATED),
        ({"createdEvent": {"entity": None, "entityAsJson": entity()}}, Kind.CREATED),
        ({"updatedEvent": {"currentEntity": entity(), "modifiedFields": {}}}, Kind.UPDATED),
        ({"updatedEvent": {"currentEntityAsJson": json.dumps(entity())}}, Kind.UPDATED),
        ({"actionEvent": {"body": {"abandonedCheckout": entity()}}}, Kind.RECOVERED),
        (
            {"actionEvent": {"bodyAsJson": json.dumps({"abandonedCheckout": entity()})}},
            Kind.RECOVERED,
        ),
        ({"deletedEvent": {"deletedEntity": entity()}}, Kind.DELETED),
        ({"deletedEvent": {"deletedEntityAsJson": json.dumps(entity())}}, Kind.DELETED),
    ],
)
def test_the_member_decides_in_both_spellings(member: dict[str, Any], kind: Kind) -> None:
    event = read({"id": "e", "slug": "created", "eventTime": text(T0), **member})
    assert event.kind is kind
    assert event.entity is not None
    assert json.loads(event.entity) == entity()
    assert event.facets is not None
    assert event.facets.is_reachable
    assert event.facets.stage is Stage.CHECKOUT


def test_an_empty_deletion_and_an_event_without_member_are_read() -> None:
    assert read(wix_event("deleted", None, event_id="d", when=T0)).entity is None
    assert read({"id": "x", "eventTime": text(T0)}).kind is Kind.UPDATED
    assert read({"id": "x", "slug": "other", "eventTime": text(T0), "actionEvent": {}}).kind is (
        Kind.UPDATED
    )


@pytest.mark.parametrize(("sequence", "number"), [("10", 10), (9, 9), (None, -1), ("", -1)])
def test_sequences_compare_as_integers(sequence: Any, number: int) -> None:
    event = wix_event("created", entity(), event_id="e", when=T0, sequence=sequence)
    assert read(event).version.sequence == number


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"eventTime": "yesterday"}, "entity_unreadable"),
        ({"createdEvent": {"entity": [1]}}, "entity_unreadable"),
        ({"createdEvent": {"entity": {"createdDate": 5}}}, "entity_unreadable"),
        (
            {"createdEvent": {"entity": {"createdDate": "0001-01-01T00:00:00+14:00"}}},
            "entity_unreadable",
        ),
        ({"createdEvent": {"entity": {"activities": "x"}}}, "entity_unreadable"),
        ({"createdEvent": {"entityAsJson": "{"}}, "entity_unreadable"),
        ({"createdEvent": 7}, "event_unreadable"),
        ({"entityEventSequence": "x"}, "entity_unreadable"),
        ({"entityEventSequence": str(2**63)}, "entity_unreadable"),
        ({"eventTime": None, "createdEvent": {"entity": {"id": "1"}}}, "event_time_missing"),
    ],
)
def test_what_cant_be_read_has_a_reason(change: dict[str, Any], reason: str) -> None:
    event = {**wix_event("created", entity(), event_id="e", when=T0), **change}
    with pytest.raises(InvalidMessage, match=reason):
        read(event)


def test_a_record_needs_a_site_a_checkout_and_a_value() -> None:
    event = wix_event("created", entity(), event_id="e", when=T0)
    with pytest.raises(InvalidMessage, match="site_missing"):
        read(event, headers=[])
    with pytest.raises(InvalidMessage, match="checkout_id_missing"):
        read(event, key=None)
    assert read(event, key=None, headers=headers(T0, ce_subject="c-9")).checkout_id == "c-9"
    with pytest.raises(InvalidMessage, match="event_unreadable"):
        read_source_event(key=b"k", value=None, headers=headers(T0), timestamp_ms=0)


def test_missing_times_fall_back_and_a_missing_id_is_made_of_the_bytes() -> None:
    event = wix_event("created", entity(updatedDate=text(at(3))), event_id="e", when=T0)
    del event["eventTime"], event["id"]
    found = read(event)
    assert found.event_at == at(3)
    assert found.event_id == read(event).event_id
    assert found.event_id
    received = read(event, headers=[("ce_instanceid", SITE.encode())]).received_at
    assert received.timestamp() == 0


@given(st.binary(max_size=200))
def test_any_bytes_give_an_event_or_a_reason(value: bytes) -> None:
    with pytest.raises(InvalidMessage):
        read(value)


@given(st.data())
def test_damaged_events_give_an_event_or_a_reason(data: st.DataObject) -> None:
    raw = bytearray(json.dumps(wix_event("created", entity(), event_id="e", when=T0)).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InvalidMessage):
        read(bytes(raw))


def test_a_bomb_of_brackets_gives_a_reason() -> None:
    with pytest.raises(InvalidMessage):
        read(b'{"x":' + b"[" * 100_000)
    deep = b'{"id":"e","createdEvent":{"entity":{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}}}"
    with pytest.raises(InvalidMessage):
        read(deep)
