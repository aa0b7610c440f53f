from __future__ import annotations

import itertools
import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from streams.adapters.entity import read_entity
from streams.adapters.errors import InvalidMessage
from streams.adapters.wix import OtherEvent, Webhook, read_webhook
from streams.demo.simulator.platform import Options, Platform, past, steady

if TYPE_CHECKING:
    from streams.demo.simulator.platform import Sending

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOT_OURS = {"other", "unreadable", "nameless"}
GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


def history(options: Options, *, count: int = 1_000) -> tuple[Platform, list[Sending]]:
    platform = Platform(options, START)
    abandonments = past(Random(options.seed), START, days=37, count=count)
    return platform, list(platform.sendings(abandonments))


@pytest.fixture(scope="module")
def sent() -> list[Sending]:
    return history(Options(seed=3, sites=12))[1]


def entity_of(sending: Sending) -> dict[str, Any]:
    event = json.loads(sending.event)
    found: dict[str, Any] = (
        event.get("createdEvent", {}).get("entity")
        or event.get("updatedEvent", {}).get("currentEntity")
        or event.get("actionEvent", {}).get("body", {}).get("abandonedCheckout")
        or {}
    )
    return found


def entities(sent: list[Sending]) -> list[dict[str, Any]]:
    return [entity for sending in sent if (entity := entity_of(sending))]


def test_a_seed_and_a_start_give_the_same_bytes() -> None:
    assert history(Options(seed=5))[1] == history(Options(seed=5))[1]


def test_another_seed_gives_other_shops_and_another_start_other_buyers() -> None:
    one = Platform(Options(seed=5), START)
    other = Platform(Options(seed=6), START)
    later = Platform(Options(seed=5), START + timedelta(hours=1))
    assert not {s.instance_id for s in one.shops} & {s.instance_id for s in other.shops}
    assert one.shops == later.shops
    instants = [START + timedelta(hours=2, minutes=minute) for minute in range(20)]
    ids = [{s.checkout_id for s in p.sendings(iter(instants))} for p in (one, later)]
    assert not ids[0] & ids[1]


def test_sendings_come_in_the_order_of_their_time_and_never_stop_by_themselves() -> None:
    platform = Platform(Options(seed=2, pace=3600), START)
    endless = platform.sendings(steady(Random(2), START, rate=20))
    times = [sending.at for sending in itertools.islice(endless, 3_000)]
    assert times == sorted(times)
    abandoned = sum(site.abandoned for site in platform.truth.values())
    seconds = (times[-1] - START).total_seconds()
    assert abandoned / seconds == pytest.approx(20, rel=0.15)


def test_live_lives_are_quick_enough_for_half_a_minute() -> None:
    platform = Platform(Options(seed=2, pace=3600), START)
    endless = platform.sendings(steady(Random(2), START, rate=20))
    list(itertools.takewhile(lambda s: s.at < START + timedelta(seconds=30), endless))
    abandoned = sum(site.abandoned for site in platform.truth.values())
    recovered = sum(site.recovered for site in platform.truth.values())
    assert 0.15 < recovered / abandoned < 0.4


def test_sizes_of_sites_fall_off_and_all_three_currencies_are_used(sent: list[Sending]) -> None:
    created = [sending for sending in sent if sending.slug == "created"]
    sizes = [count for _, count in Counter(s.instance_id for s in created).most_common()]
    assert len(sizes) == 12
    assert sizes[0] > 5 * sizes[-1]
    assert {entity["currency"] for entity in entities(sent)} == {"USD", "EUR", "JPY"}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_the_recovery_share_is_what_was_asked_for(share: float) -> None:
    platform, _ = history(Options(seed=11, sites=60, recovery_share=share), count=3_000)
    abandoned = sum(site.abandoned for site in platform.truth.values())
    recovered = sum(site.recovered for site in platform.truth.values())
    assert abandoned == 3_000
    assert recovered / abandoned == pytest.approx(share, rel=0.35)


def test_buyers_who_were_written_to_return_more_often() -> None:
    _, sent = history(Options(seed=4, sites=40), count=4_000)
    written, returned = set(), set()
    for sending in sent:
        entity = entity_of(sending)
        if entity.get("buyerInfo", {}).get("email") and sending.slug == "created":
            written.add(sending.checkout_id)
        if sending.says_recovered:
            returned.add(sending.checkout_id)
    everyone = {sending.checkout_id for sending in sent if sending.slug == "created"}
    others = everyone - written
    assert len(written & returned) / len(written) > len(others & returned) / len(others)


def test_duplicates_and_disorder_come_in_the_shares_asked_for() -> None:
    _, calm = history(Options(seed=8, duplicate_share=0, disorder_share=0))
    times = [json.loads(sending.event)["eventTime"] for sending in calm]
    assert len({sending.event_id for sending in calm}) == len(calm)
    assert times == sorted(times)
    _, wild = history(Options(seed=8, duplicate_share=0.3, disorder_share=0.3))
    copies = Counter(sending.event_id for sending in wild)
    assert sum(n == 2 for n in copies.values()) / len(copies) == pytest.approx(0.3, abs=0.05)
    by_id: dict[str, set[str]] = defaultdict(set)
    for sending in wild:
        by_id[sending.event_id].add(sending.data)
    assert all(len(data) == 1 for data in by_id.values()), "a resend has the same data"
    order = [json.loads(sending.event)["eventTime"] for sending in wild]
    assert order != sorted(order)


def test_kinds_of_buyers_and_of_checkouts_all_occur(sent: list[Sending]) -> None:
    made = [entity_of(sending) for sending in sent if sending.slug == "created"]
    kinds = Counter(
        next(name for name in ("memberId", "visitorId", "userId") if name in e["buyerInfo"])
        for e in made
    )
    assert kinds["memberId"] > 200
    assert kinds["visitorId"] > 200
    assert 0 < kinds["userId"] < 100
    carts = [entity for entity in made if entity["checkoutId"] == ""]
    assert carts
    assert all("memberId" in entity["buyerInfo"] for entity in carts)
    assert any("email" not in entity["buyerInfo"] for entity in made)
    assert any(entity["appliedDiscounts"] for entity in made)


def test_a_guest_types_the_email_later(sent: list[Sending]) -> None:
    had_none = {
        sending.checkout_id
        for sending in sent
        if sending.slug == "created" and "email" not in entity_of(sending)["buyerInfo"]
    }
    assert any(
        sending.checkout_id in had_none and entity_of(sending).get("buyerInfo", {}).get("email")
        for sending in sent
    )


def test_each_activity_is_an_update_of_its_own_and_the_list_only_grows() -> None:
    _, sent = history(Options(seed=9, sites=60, disorder_share=0, duplicate_share=0))
    lists: dict[str, list[list[str]]] = defaultdict(list)
    for sending in sent:
        entity = entity_of(sending)
        if entity and sending.slug not in NOT_OURS:
            lists[sending.checkout_id].append([item["type"] for item in entity["activities"]])
    seen = set()
    for versions in lists.values():
        for before, after in itertools.pairwise(versions):
            assert after[: len(before)] == before
            assert len(after) <= len(before) + 1
            seen.update(after)
    assert {"SCHEDULED", "EMAIL_SENT", "NOTIFICATION_SENT", "EMAIL_NOT_SENT"} <= seen


def test_recoveries_come_as_an_action_and_often_an_update_in_either_order() -> None:
    _, sent = history(Options(seed=9, disorder_share=0, duplicate_share=0))
    orders: dict[str, list[str]] = defaultdict(list)
    for sending in sent:
        recovered_at = entity_of(sending).get("checkoutRecoveredDate")
        if recovered_at and entity_of(sending)["updatedDate"] == recovered_at:
            orders[sending.checkout_id].append(sending.slug)
    assert {tuple(order) for order in orders.values()} >= {
        ("recovered",),
        ("recovered", "updated"),
        ("updated", "recovered"),
    }


def test_anonymize_requests_hold_nothing_of_the_buyer(sent: list[Sending]) -> None:
    requests = [s for s in sent if json.loads(s.event)["triggeredByAnonymizeRequest"]]
    assert requests
    for sending in requests:
        assert entity_of(sending)["buyerInfo"] == {}
        assert entity_of(sending)["contactDetails"] == {}
        assert "mail.example" not in sending.data


def test_the_sequence_is_text_mostly_sometimes_a_number_and_sometimes_missing(
    sent: list[Sending],
) -> None:
    kinds = Counter(
        type(json.loads(s.event).get("entityEventSequence")).__name__
        for s in sent
        if s.slug not in NOT_OURS
    )
    assert kinds["str"] > 0.8 * len(sent)
    assert kinds["int"] > 0
    assert kinds["NoneType"] > 0


def test_every_envelope_is_what_the_contract_says(sent: list[Sending]) -> None:
    for sending in sent:
        if sending.slug == "nameless":
            with pytest.raises(InvalidMessage, match="site_missing"):
                read_webhook({"data": sending.data})
            continue
        webhook = read_webhook({"data": sending.data})
        envelope = json.loads(sending.data)
        assert envelope["data"] == sending.event
        assert json.loads(envelope["identity"])["identityType"]
        assert GUID.fullmatch(envelope["accountInfo"]["siteId"])
        if sending.slug == "other":
            assert isinstance(webhook, OtherEvent)
            continue
        assert isinstance(webhook, Webhook)
        assert webhook.checkout_id == sending.checkout_id
        assert webhook.instance_id == sending.instance_id
        assert webhook.event_id == sending.event_id
        event = json.loads(sending.event)
        assert re.fullmatch(r"2026-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["eventTime"])


def test_every_entity_is_what_the_contract_says(sent: list[Sending]) -> None:
    for sending in sent:
        entity = read_entity(json.dumps(entity_of(sending)).encode())
        if not entity or sending.slug in NOT_OURS:
            continue
        assert entity["id"] == sending.checkout_id
        for name in ("createdDate", "updatedDate"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(entity[name]))
        assert (entity["status"] == "RECOVERED") == ("checkoutRecoveredDate" in entity)
        total = entity["totalPrice"]
        assert isinstance(total, dict)
        places = 0 if entity["currency"] == "JPY" else 2
        assert re.fullmatch(r"\d+" + (r"\.\d\d" if places else ""), total["amount"])
        items = entity["lineItems"]
        assert isinstance(items, list)
        subtotal = sum(Decimal(i["price"]["amount"]) * i["quantity"] for i in items)
        assert Decimal(entity["subtotalPrice"]["amount"]) == subtotal  # type: ignore[index]  # JSON
        assert len(entity["activities"]) <= 20  # type: ignore[arg-type]  # JSON


def test_an_event_is_of_the_size_of_real_ones(sent: list[Sending]) -> None:
    sizes = [len(sending.event) for sending in sent if sending.slug in {"created", "updated"}]
    assert 1_800 < sum(sizes) / len(sizes) < 3_500


def test_genuine_but_unreadable_and_foreign_events_come_in_their_shares() -> None:
    platform, sent = history(Options(seed=1, other_share=0.1, unreadable_share=0.1))
    ours = sum(platform.kinds[slug] for slug in ("created", "updated", "recovered", "deleted"))
    assert platform.kinds["other"] / ours == pytest.approx(0.1, abs=0.03)
    broken = platform.kinds["unreadable"] + platform.kinds["nameless"]
    assert platform.kinds["unreadable"] > 0
    assert platform.kinds["nameless"] > 0
    assert broken / ours == pytest.approx(0.1, abs=0.03)
    _, plain = history(Options(seed=1, other_share=0, unreadable_share=0))
    assert {s.slug for s in plain} == {"created", "updated", "recovered", "deleted"}
    assert len(sent) > len(plain)
