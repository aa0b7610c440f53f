"""Knowledge is a join: the same set of events, the same knowledge, in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import combinations_with_replacement, permutations, product

from hypothesis import given
from hypothesis import strategies as st

from streams.adapters.lifecycle import changed_fields
from streams.domain.checkouts import Announcement, Checkout, receive
from streams.domain.events import Facets, Kind, Origin, Site, SourceEvent, Stage, Touch, Version
from streams.domain.knowledge import Knowledge, advance, join, knowledge_of
from streams.domain.law import Law
from streams.domain.privacy import erase
from tests.support.builders import CHECKOUT, T0, at, entity, event

SECRET = b"ada@mail.example"
instants = st.integers(0, 40).map(lambda n: T0 + timedelta(days=n / 4))
raw = st.sampled_from(
    [
        b'{"id":"1","buyerInfo":{"email":"ada@mail.example"},"unknown":{"a":1}}',
        b'{"id":"1","checkoutUrl":"https://x.example/ada@mail.example"}',
        b'{"id":"1"}',
    ]
)
facets = st.builds(
    Facets,
    currency=st.sampled_from([None, "EUR"]),
    amount=st.sampled_from([None, Decimal("1.50")]),
    stage=st.sampled_from(Stage),
    is_reachable=st.booleans(),
    is_staff=st.booleans(),
    touches=st.lists(st.builds(Touch, st.just("EMAIL_SENT"), st.none() | instants), max_size=2).map(
        tuple
    ),
)


@st.composite
def events(draw: st.DrawFn) -> SourceEvent:
    event_id = draw(st.uuids().map(str))
    event_at = draw(instants)
    has_entity = draw(st.booleans())
    return SourceEvent(
        checkout_id=CHECKOUT,
        event_id=event_id,
        kind=draw(st.sampled_from(Kind)),
        origin=draw(st.sampled_from(Origin)),
        event_at=event_at,
        received_at=draw(instants),
        version=Version(draw(instants), draw(st.integers(-1, 2)), event_at, event_id),
        site=Site(draw(st.sampled_from(["a", "b"])), "", ""),
        is_anonymize_request=draw(st.booleans()),
        entity=draw(raw) if has_entity else None,
        created_at=draw(st.none() | instants) if has_entity else None,
        recovered_at=draw(st.none() | instants) if has_entity else None,
        is_status_recovered=has_entity and draw(st.booleans()),
        facets=draw(facets) if has_entity else None,
    )


def known(found: list[SourceEvent]) -> Knowledge:
    return reduce(join, map(knowledge_of, found))


@given(st.data(), st.lists(events(), min_size=1, max_size=6))
def test_any_order_with_any_repeats_gives_the_same_knowledge(
    data: st.DataObject, found: list[SourceEvent]
) -> None:
    shuffled = data.draw(st.permutations(found + data.draw(st.lists(st.sampled_from(found)))))
    knowledge: Knowledge | None = None
    for one in shuffled:
        knowledge = advance(knowledge, one)
    assert knowledge == known(found)


@given(*[st.lists(events(), min_size=1, max_size=3) for _ in range(3)])
def test_join_is_associative_commutative_and_idempotent(
    one: list[SourceEvent], two: list[SourceEvent], three: list[SourceEvent]
) -> None:
    a, b, c = known(one), known(two), known(three)
    assert join(a, join(b, c)) == join(join(a, b), c)
    assert join(a, b) == join(b, a)
    assert join(a, a) == a


@given(st.lists(events(), min_size=1, max_size=6))
def test_an_erasure_leaves_no_personal_data_at_or_below_its_version(
    found: list[SourceEvent],
) -> None:
    knowledge = known(found)
    erasures = [e.version for e in found if e.is_anonymize_request]
    for_good = any(e.is_anonymize_request and e.origin is Origin.OPERATOR for e in found)
    deleted = any(e.kind is Kind.DELETED for e in found)
    content = knowledge.content
    if content and (for_good or deleted or (erasures and content.version <= max(erasures))):
        assert SECRET not in content.entity
        assert b"unknown" not in content.entity


@given(st.lists(events(), min_size=1, max_size=6))
def test_erasure_and_deletion_change_no_counts(found: list[SourceEvent]) -> None:
    ordinary = [e for e in found if not e.is_anonymize_request and e.kind is not Kind.DELETED]
    if any(e.facets for e in ordinary):
        assert known(found).facets == known(ordinary).facets


@given(events(), events(), events())
def test_versions_are_totally_ordered(
    one: SourceEvent, two: SourceEvent, three: SourceEvent
) -> None:
    a, b, c = one.version, two.version, three.version
    assert (a < b) + (a == b) + (a > b) == 1
    assert not (a <= b <= c) or a <= c
    assert (str(a) == str(b)) == (a == b)


# Small scope, exhaustively: every multiset of up to five of the kinds of news that a checkout can
# have, in every order. Twelve kinds and all orders would be 100,000s of runs of the same shapes, so
# lengths four and five use the seven kinds that interact.

KINDS = {
    "created": event("created", entity(), event_id="1", when=at(0), sequence=1),
    "guest": event(
        "updated",
        entity(updatedDate="2026-03-01T12:05:00.000Z", buyerInfo={"email": "b@mail.example"}),
        event_id="2",
        when=at(5),
        sequence="2",
    ),
    "activity": event(
        "updated",
        entity(
            updatedDate="2026-03-01T12:06:00.000Z",
            buyerInfo={"email": "b@mail.example"},
            activities=[{"type": "EMAIL_SENT", "createdDate": "2026-03-01T12:06:00Z"}],
        ),
        event_id="3",
        when=at(6),
    ),
    "recovered": event(
        "recovered",
        entity(
            updatedDate="2026-03-01T12:10:00.000Z",
            status="RECOVERED",
            checkoutRecoveredDate="2026-03-01T12:10:00.000Z",
        ),
        event_id="4",
        when=at(10),
        sequence=4,
    ),
    "status": event(
        "updated",
        entity(updatedDate="2026-03-01T12:11:00.000Z", status="RECOVERED"),
        event_id="5",
        when=at(11),
    ),
    "anonymize": event(
        "updated",
        entity(updatedDate="2026-03-01T12:20:00.000Z", buyerInfo={}, contactDetails={}),
        event_id="6",
        when=at(20),
        anonymize=True,
    ),
    "deleted": event("deleted", None, event_id="7", when=at(30)),
    "minimal": event("updated", {"id": CHECKOUT, "status": "ABANDONED"}, event_id="8", when=at(3)),
    "elsewhere": event(
        "created", entity(), event_id="9", when=at(1), site="another-instance", sequence=1
    ),
}
INTERACTING = ("created", "guest", "recovered", "status", "anonymize", "deleted", "minimal")
LAW = Law()


def run(names: tuple[str, ...]) -> tuple[Checkout, list[tuple[Announcement, str]]]:
    checkout: Checkout | None = None
    told: list[tuple[Announcement, str]] = []
    for name in names:
        outcome = receive(checkout, KINDS[name], law=LAW, compare=changed_fields)
        checkout = outcome.checkout
        told.extend((news.type, news.discriminator) for news in outcome.news)
    assert checkout is not None
    return checkout, told


def check(names: tuple[str, ...]) -> Knowledge:
    checkout, told = run(names)
    types = [kind for kind, _ in told]
    knowledge = checkout.knowledge
    assert len(set(told)) == len(told), "an id was announced twice"
    assert types.count(Announcement.RECOVERED) == (knowledge.recovered_at is not None)
    assert types.count(Announcement.ANONYMIZED) == knowledge.is_anonymized
    assert types.count(Announcement.DELETED) == knowledge.is_deleted
    assert types.count(Announcement.ABANDONED) <= 1
    closing = [
        types.index(kind)
        for kind in (Announcement.RECOVERED, Announcement.ANONYMIZED, Announcement.DELETED)
        if kind in types
    ]
    for position, kind in enumerate(types):
        if kind is Announcement.CHANGED:
            assert Announcement.ABANDONED in types[:position]
        if kind in (Announcement.ABANDONED, Announcement.CHANGED):
            assert all(position < closed for closed in closing)
    assert checkout.told.revision == len(told)
    repeated, again = run((*names, *names))
    assert again == told, "a repeat announced something"
    assert repeated.knowledge == knowledge
    return knowledge


def test_every_order_of_up_to_three_events_of_any_kind_keeps_the_law() -> None:
    for length in (1, 2, 3):
        for chosen in combinations_with_replacement(KINDS, length):
            results = {repr(check(order)) for order in set(permutations(chosen))}
            assert len(results) == 1, chosen


def test_every_order_of_up_to_five_interacting_events_keeps_the_law() -> None:
    seen: dict[frozenset[str], Knowledge] = {}
    for length in (4, 5):
        for order in product(INTERACTING, repeat=length):
            knowledge = check(order)
            assert seen.setdefault(frozenset(order), knowledge) == knowledge


def test_the_same_log_announces_the_same_ids() -> None:
    order = ("created", "guest", "recovered", "anonymize", "deleted")
    assert run(order)[1] == run(order)[1]


def later(days: float, slug: str, body: dict[str, object] | None, **more: object) -> SourceEvent:
    when = at(days=days)
    return event(slug, body, event_id=f"late-{days}-{slug}", when=when, **more)  # type: ignore[arg-type]


def test_after_ageing_out_an_update_announces_nothing_and_an_anonymize_request_is_announced() -> (
    None
):
    checkout = receive(None, KINDS["created"], law=LAW, compare=changed_fields).checkout
    old = entity(updatedDate="2026-04-10T12:00:00Z")
    update = receive(checkout, later(40, "updated", old), law=LAW, compare=changed_fields)
    assert update.news == ()
    assert update.before is None, "what has aged out is forgotten"
    assert update.checkout.told.is_barred
    erase = later(41, "updated", old, anonymize=True)
    anonymized = receive(update.checkout, erase, law=LAW, compare=changed_fields)
    assert [news.type for news in anonymized.news] == [Announcement.ANONYMIZED]
    fresh = receive(checkout, erase, law=LAW, compare=changed_fields)
    assert [news.type for news in fresh.news] == [Announcement.ANONYMIZED]
    gone = receive(checkout, later(41, "deleted", None), law=LAW, compare=changed_fields)
    assert [news.type for news in gone.news] == [Announcement.DELETED]


def test_what_has_aged_out_is_never_announced_recovered_again() -> None:
    checkout = receive(None, KINDS["recovered"], law=LAW, compare=changed_fields).checkout
    body = entity(updatedDate="2026-04-10T12:00:00Z", status="RECOVERED")
    for days in (40, 41):
        outcome = receive(checkout, later(days, "updated", body), law=LAW, compare=changed_fields)
        assert outcome.news == ()
        checkout = outcome.checkout


def test_an_event_older_than_anything_that_counts_corrects_counts_and_announces_nothing() -> None:
    checkout = receive(None, KINDS["created"], law=LAW, compare=changed_fields).checkout
    old = event(
        "recovered",
        entity(status="RECOVERED"),
        event_id="old",
        when=at(days=-40),
        received=at(days=1),
    )
    outcome = receive(checkout, old, law=LAW, compare=changed_fields)
    assert outcome.is_late
    assert outcome.news == ()
    assert outcome.after is not None
    assert outcome.after.recovered_at == at(days=-40)
    repeat = receive(outcome.checkout, KINDS["status"], law=LAW, compare=changed_fields)
    assert repeat.news == ()


def test_an_abandonment_that_is_heard_of_after_seven_days_is_not_announced() -> None:
    late = event("updated", entity(), event_id="x", when=at(days=8))
    assert receive(None, late, law=LAW, compare=changed_fields).news == ()
    in_time = event("updated", entity(), event_id="x", when=at(days=7))
    news = receive(None, in_time, law=LAW, compare=changed_fields).news
    assert [item.type for item in news] == [Announcement.ABANDONED]


def test_dates_at_the_end_of_time_are_no_error() -> None:
    far = event(
        "created",
        entity(createdDate="9999-12-31T23:59:59Z", updatedDate="9999-12-31T23:59:59Z"),
        event_id="far",
        when=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        received=T0,
    )
    assert receive(None, far, law=LAW, compare=changed_fields).checkout.ages_out_at(LAW) > T0


def test_of_an_entity_that_cant_be_read_nothing_is_kept_when_it_is_erased() -> None:
    assert erase(b'{"buyerInfo":{"email":"a@b"},"x":' + b"[" * 100_000) == b"{}"
    assert (
        erase(b'{"totalPrice":7,"image":1,"id":{"email":"a@b"}}')
        == b'{"totalPrice":null,"id":null}'
    )
    assert erase(erase(b'{"id":"1","lineItems":[{"id":"2","note":"x"}]}')) == (
        b'{"id":"1","lineItems":[{"id":"2"}]}'
    )


def test_an_update_without_an_entity_changes_nothing_that_subscribers_see() -> None:
    checkout = receive(None, KINDS["minimal"], law=LAW, compare=changed_fields).checkout
    assert checkout.knowledge.abandoned_at is None
    bare = later(0.001, "deleted", None)
    told = receive(
        receive(None, KINDS["created"], law=LAW, compare=changed_fields).checkout,
        event("updated", None, event_id="bare", when=at(2)),
        law=LAW,
        compare=changed_fields,
    )
    assert told.news == ()
    assert receive(checkout, bare, law=LAW, compare=changed_fields).after is None


def test_an_abandonment_without_entity_is_told_and_its_content_later_is_no_change() -> None:
    first = receive(
        None, event("created", None, event_id="0", when=at(0)), law=LAW, compare=changed_fields
    )
    assert [news.type for news in first.news] == [Announcement.ABANDONED]
    assert first.after is not None
    assert first.after.stage is Stage.CART
    second = receive(first.checkout, KINDS["guest"], law=LAW, compare=changed_fields)
    assert second.news == ()


def test_hearsay_of_a_recovery_without_any_date_is_not_told_for_it_may_be_old() -> None:
    bare: dict[str, object] = {"id": CHECKOUT, "status": "RECOVERED"}
    checkout = receive(
        None,
        event("recovered", bare, event_id="r", when=at(0)),
        law=LAW,
        compare=changed_fields,
    )
    assert [news.type for news in checkout.news] == [Announcement.RECOVERED]
    again = receive(checkout.checkout, later(40, "updated", bare), law=LAW, compare=changed_fields)
    assert again.news == ()
