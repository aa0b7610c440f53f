"""The small job that every contender does to every record of the source topic.

1. Decode the event (2.3 kB of JSON, as Wix sends it).
2. Look the checkout up in a table, change it, write it to the table's changelog (about 400 B).
   The newest sequence decides the content; ``recovered`` is final.
3. Send ``checkout.abandoned`` at the first knowledge, ``checkout.recovered`` at the first recovery,
   each once, about 1 kB.
4. Send a fact (before, after), keyed by the site, if what counts has changed.

All of it in one transaction, where there are any, every 100 ms. It is the product's work without
its law (versions, erasure, ageing, corrections) and without its second agent, so that it can be
written in forty lines of anybody's framework. It needs msgspec only: Python's contenders share it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import msgspec

#: Of every contender's producer. It is the default of Kafka Streams; less makes all of them slower.
LINGER_MS: Final = 100


class _Buyer(msgspec.Struct, gc=False, rename="camel"):
    email: str | None = None
    contact_id: str | None = None
    member_id: str | None = None
    visitor_id: str | None = None


class _Contact(msgspec.Struct, gc=False, rename="camel"):
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None


class _Price(msgspec.Struct, gc=False):
    amount: str | None = None


class _Name(msgspec.Struct, gc=False):
    original: str | None = None


class _Physical(msgspec.Struct, gc=False):
    sku: str | None = None


class _Item(msgspec.Struct, gc=False, rename="camel"):
    id: str | None = None
    quantity: int | None = None
    product_name: _Name | None = None
    price: _Price | None = None
    physical_properties: _Physical | None = None


class _Entity(msgspec.Struct, gc=False, rename="camel"):
    created_date: str | None = None
    checkout_recovered_date: str | None = None
    status: str | None = None
    currency: str | None = None
    total_price: _Price | None = None
    buyer_info: _Buyer | None = None
    contact_details: _Contact | None = None
    checkout_url: str | None = None
    line_items: msgspec.Raw = msgspec.Raw(b"[]")


class _Body(msgspec.Struct, gc=False, rename="camel"):
    abandoned_checkout: _Entity | None = None


class _Member(msgspec.Struct, gc=False, rename="camel"):
    entity: _Entity | None = None
    current_entity: _Entity | None = None
    deleted_entity: _Entity | None = None
    body: _Body | None = None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    id: str
    entity_id: str
    event_time: str
    entity_event_sequence: str | int = -1
    created_event: _Member | None = None
    updated_event: _Member | None = None
    action_event: _Member | None = None
    deleted_event: _Member | None = None


class State(msgspec.Struct):
    """A checkout in the table; its JSON is the changelog's value."""

    id: str
    sequence: int = -1
    abandoned_at: str | None = None
    recovered_at: str | None = None
    amount: str | None = None
    currency: str | None = None
    email: str | None = None
    is_announced: bool = False
    is_recovered: bool = False
    revision: int = 0
    events: int = 0
    last_event_ids: tuple[str, ...] = ()


class _Line(msgspec.Struct, gc=False):
    id: str | None
    quantity: int | None
    name: str | None
    sku: str | None
    unit_price: str | None


class _Announced(msgspec.Struct, gc=False):
    email: str | None
    contact_id: str | None
    member_id: str | None
    visitor_id: str | None
    first_name: str | None
    last_name: str | None
    phone: str | None


class _Lifecycle(msgspec.Struct, gc=False):
    id: str
    type: str
    time: str
    source: str
    subject: str
    revision: int
    abandoned_at: str | None
    recovered_at: str | None
    amount: str | None
    currency: str | None
    buyer: _Announced
    checkout_url: str | None
    line_items: list[_Line]
    item_count: int
    source_event_id: str


class _Side(msgspec.Struct, gc=False):
    abandoned_at: str | None
    recovered_at: str | None
    amount: str | None
    currency: str | None


class _Fact(msgspec.Struct, gc=False):
    instance_id: str
    before: _Side | None
    after: _Side


@dataclass(slots=True)
class Outcome:
    """What one record comes to."""

    state: State
    events: list[bytes]
    fact: bytes | None


_read_event: Final = msgspec.json.Decoder(_Event).decode
_read_items: Final = msgspec.json.Decoder(list[_Item]).decode
read_state: Final = msgspec.json.Decoder(State).decode
encode: Final = msgspec.json.Encoder().encode
_NO_ENTITY: Final = _Entity()


def work(value: bytes, instance_id: str, state: State | None) -> Outcome:
    """Do the job; the state that was given is changed and returned."""
    event = _read_event(value)
    entity, is_recovery = _entity(event)
    is_new = state is None
    if state is None:
        state = State(event.entity_id)
    before = (state.abandoned_at, state.recovered_at, state.amount, state.currency)
    state.events += 1
    state.last_event_ids = (*state.last_event_ids[-2:], event.id)
    sequence = int(event.entity_event_sequence)
    if entity is not None and sequence > state.sequence:
        state.sequence = sequence
        state.amount = entity.total_price.amount if entity.total_price else None
        state.currency = entity.currency
        state.email = entity.buyer_info.email if entity.buyer_info else None
        if state.abandoned_at is None:
            state.abandoned_at = entity.created_date
    is_recovery = is_recovery or (entity is not None and entity.status == "RECOVERED")
    events: list[bytes] = []
    if is_recovery and not state.is_recovered:
        state.is_recovered = True
        state.recovered_at = (entity and entity.checkout_recovered_date) or event.event_time
        events.append(_lifecycle("checkout.recovered", state, event, entity, instance_id))
    elif not (state.is_announced or state.is_recovered) and event.deleted_event is None:
        state.is_announced = True
        events.append(_lifecycle("checkout.abandoned", state, event, entity, instance_id))
    after = (state.abandoned_at, state.recovered_at, state.amount, state.currency)
    if after == before:
        return Outcome(state, events, None)
    fact = _Fact(instance_id, None if is_new else _Side(*before), _Side(*after))
    return Outcome(state, events, encode(fact))


def _entity(event: _Event) -> tuple[_Entity | None, bool]:
    if (member := event.created_event) is not None:
        return member.entity, False
    if (member := event.updated_event) is not None:
        return member.current_entity, False
    if (member := event.action_event) is not None:
        return None if member.body is None else member.body.abandoned_checkout, True
    if (member := event.deleted_event) is not None:
        return member.deleted_entity, False
    return None, False


def _lifecycle(
    kind: str, state: State, event: _Event, entity: _Entity | None, instance_id: str
) -> bytes:
    state.revision += 1
    entity = entity or _NO_ENTITY
    buyer, contact = entity.buyer_info or _Buyer(), entity.contact_details or _Contact()
    lines = [
        _Line(
            item.id,
            item.quantity,
            item.product_name.original if item.product_name else None,
            item.physical_properties.sku if item.physical_properties else None,
            item.price.amount if item.price else None,
        )
        for item in _read_items(entity.line_items)
    ]
    return encode(
        _Lifecycle(
            id=f"{state.id}|{kind}",
            type=kind,
            time=event.event_time,
            source=instance_id,
            subject=state.id,
            revision=state.revision,
            abandoned_at=state.abandoned_at,
            recovered_at=state.recovered_at,
            amount=state.amount,
            currency=state.currency,
            buyer=_Announced(
                email=buyer.email,
                contact_id=buyer.contact_id,
                member_id=buyer.member_id,
                visitor_id=buyer.visitor_id,
                first_name=contact.first_name,
                last_name=contact.last_name,
                phone=contact.phone,
            ),
            checkout_url=entity.checkout_url,
            line_items=lines,
            item_count=len(lines),
            source_event_id=event.id,
        )
    )


@dataclass(frozen=True, slots=True)
class Names:
    """Where a contender works: brokers, topics, and the name of this run, which is its group's."""

    bootstrap: str
    run: str
    source: str
    events: str
    facts: str
    guarantee: str
    partitions: int
    commit_ms: int

    @property
    def changelog(self) -> str:
        """As Faust, the runtime and Kafka Streams name that of a table ``checkouts``."""
        return f"{self.run}-checkouts-changelog"

    @property
    def is_exactly_once(self) -> bool:
        return self.guarantee == "exactly once"

    def environment(self) -> dict[str, str]:
        """For the contender's process."""
        return {
            "BENCH_BOOTSTRAP": self.bootstrap,
            "BENCH_RUN": self.run,
            "BENCH_SOURCE": self.source,
            "BENCH_EVENTS": self.events,
            "BENCH_FACTS": self.facts,
            "BENCH_GUARANTEE": self.guarantee,
            "BENCH_PARTITIONS": str(self.partitions),
            "BENCH_COMMIT_MS": str(self.commit_ms),
        }


def names() -> Names:
    """As the harness gave them to this process."""
    given = {name: os.environ[f"BENCH_{name.upper()}"] for name in _TEXTS}
    return Names(
        **given,
        partitions=int(os.environ["BENCH_PARTITIONS"]),
        commit_ms=int(os.environ["BENCH_COMMIT_MS"]),
    )


_TEXTS: Final = ("bootstrap", "run", "source", "events", "facts", "guarantee")


def instance_of(headers: object) -> str:
    """The site of a record by its headers, a list of pairs."""
    if isinstance(headers, (list, tuple)):
        for name, value in headers:
            if name == "ce_instanceid":
                return bytes(value).decode()
    return ""
