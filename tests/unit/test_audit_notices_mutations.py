"""One thing changed in logs that are consistent: the audit must fail, and name it."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from streams.demo.audit.judge import AuditReport, audit
from streams.demo.simulator.platform import Options, Platform, past
from tests.support.whole import Whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.demo.audit.log import LogRecord, Logs
    from streams.demo.simulator.posting import Accepted

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERY = 1_000_000
SAMPLES = 20


@pytest.fixture(scope="module")
def whole() -> tuple[Logs, list[Accepted]]:
    made = Whole(Random(7))
    options = Options(seed=7, sites=3, unreadable_share=0.04, other_share=0.02)
    now = START
    for sending in Platform(options, START).sendings(past(Random(7), START, days=40, count=200)):
        now = sending.at + timedelta(milliseconds=400)
        made.post(sending, received_at=now)
    return made.finish(now), made.accepted


@pytest.fixture
def logs(whole: tuple[Logs, list[Accepted]]) -> Logs:
    return copy.copy(whole[0])


@pytest.fixture
def accepted(whole: tuple[Logs, list[Accepted]]) -> list[Accepted]:
    return list(whole[1])


def judge(logs: Logs, accepted: list[Accepted], *, samples: int = SAMPLES) -> AuditReport:
    return audit(logs, accepted, samples=samples)


def edited(
    records: Any, number: int, edit: Callable[[dict[str, Any]], None], **changes: Any
) -> list[LogRecord]:
    """The records with the JSON of one edited."""
    value = json.loads(records[number].value)
    edit(value)
    new = replace(records[number], value=json.dumps(value).encode(), **changes)
    return [*records[:number], new, *records[number + 1 :]]


def without(records: Any, number: int) -> list[LogRecord]:
    return [*records[:number], *records[number + 1 :]]


def find(records: Any, wanted: Callable[[dict[str, Any]], Any]) -> int:
    """The number of the last record of which it is true."""
    return max(n for n, record in enumerate(records) if wanted(json.loads(record.value)))


def worker_letter(logs: Logs) -> int:
    """The number of a dead letter that a worker wrote."""
    return next(
        number
        for number, record in enumerate(logs.dead_letters)
        if record.headers["dead_letter_stage"] == "track-checkouts"
    )


def last_digit(text: str) -> str:
    return text[:-1] + str((int(text[-1]) + 1) % 10)


def busy(value: dict[str, Any]) -> bool:
    """A conversion record with something in every part of its longest window."""
    window = value["windows"][-1]
    return bool(
        window["matured"]["abandoned"]
        and window["matured"]["rate"] not in {"0.000000", "1.000000"}
        and window["time_to_recovery"]["count"]
        and window["money"]
        and window["touched"]["matured"]["rate"]
    )


def test_unmodified_logs_pass(logs: Logs, accepted: list[Accepted]) -> None:
    report = judge(logs, accepted, samples=EVERY)
    assert report.differences == []
    assert report.is_equal
    assert report.counts["conversion records recomputed"] == len(logs.conversion) > 50
    assert report.counts["dead letters of the workers"] > 0
    assert report.counts["dead letters of the ingress"] > 0
    assert report.counts["of other types"] > 0
    assert report.rows()[-1] == ("differences", "0")


def add_one(part: str, name: str) -> Callable[[dict[str, Any]], None]:
    def edit(value: dict[str, Any]) -> None:
        value["windows"][-1][part][name] += 1

    return edit


def raise_digit(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def edit(value: dict[str, Any]) -> None:
        holder: Any = value["windows"][-1]
        for name in path[:-1]:
            holder = holder[name]
        holder[path[-1]] = last_digit(holder[path[-1]])

    return edit


def set_field(name: str, new: Any) -> Callable[[dict[str, Any]], None]:
    def edit(value: dict[str, Any]) -> None:
        value[name] = new

    return edit


@pytest.mark.parametrize("which", ["last", "earlier"])
@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (add_one("flow", "abandoned"), r"windows\[30d\]\.flow\.abandoned is \d+, should be \d+"),
        (add_one("flow", "recovered"), r"windows\[30d\]\.flow\.recovered is"),
        (add_one("cohort", "recovered"), r"windows\[30d\]\.cohort\.recovered is"),
        (add_one("time_to_recovery", "p90_seconds"), r"time_to_recovery\.p90_seconds is"),
        (raise_digit("matured", "rate"), r"windows\[30d\]\.matured\.rate is '0\.\d{6}', should"),
        (raise_digit("cohort", "low"), r"windows\[30d\]\.cohort\.low is"),
        (raise_digit("flow", "ratio"), r"windows\[30d\]\.flow\.ratio is"),
        (raise_digit("touched", "matured", "high"), r"\.touched\.matured\.high is"),
        (raise_digit("by_stage", "checkout", "cohort", "rate"), r"checkout\.cohort\.rate is"),
        (raise_digit("money", 0, "open"), r"windows\[30d\]\.money\[0\]\.open is"),
        (set_field("unpriced", 7), r"unpriced is 7, should be 0"),
        (set_field("excluded_staff", 99), r"excluded_staff is 99"),
        (set_field("as_of", "2026-01-01T00:00:00.001Z"), r"as_of is '2026-01-01T00:00:00\.001Z'"),
        (set_field("computed_at", "2026-01-01T00:00:00.001Z"), r"computed_at is"),
        (set_field("site_id", None), r"site_id is None, should be"),
        (lambda v: v["windows"].pop(), r"windows is "),
        (lambda v: v["windows"][0].pop("previous"), r"windows\[1h\]\.previous is Ellipsis"),
        (lambda v: v["facts_position"].update(offset=10**6), r"facts_position .* is no place"),
    ],
)
def test_one_number_off_in_the_rates_is_named(
    logs: Logs,
    accepted: list[Accepted],
    edit: Callable[[dict[str, Any]], None],
    named: str,
    which: str,
) -> None:
    newest = {record.key: number for number, record in enumerate(logs.conversion)}
    stride = len(logs.conversion) // SAMPLES
    candidates = [
        number
        for number, record in enumerate(logs.conversion)
        if (number in newest.values() if which == "last" else number % stride == 0)
        and busy(json.loads(record.value))
    ]
    logs.conversion = edited(logs.conversion, candidates[-1], edit)
    differences = judge(logs, accepted).differences
    site = logs.conversion[candidates[-1]].key
    assert any(re.search(named, text) and site in text for text in differences), differences


def test_rates_that_end_too_early_are_named(logs: Logs, accepted: list[Accepted]) -> None:
    site = logs.conversion[0].key
    numbers = [n for n, record in enumerate(logs.conversion) if record.key == site]
    logs.conversion = without(logs.conversion, numbers[-1])
    assert any(f"last rates of {site}" in text for text in judge(logs, accepted).differences)


def test_a_site_without_any_rates_is_named(logs: Logs, accepted: list[Accepted]) -> None:
    site = logs.conversion[0].key
    logs.conversion = [record for record in logs.conversion if record.key != site]
    assert judge(logs, accepted).differences == [f"no rates were published for the site {site}"]


@pytest.mark.parametrize("kind", ["abandoned", "changed", "recovered", "anonymized", "deleted"])
def test_a_dropped_lifecycle_event_is_named(
    logs: Logs, accepted: list[Accepted], kind: str
) -> None:
    number = find(logs.events, lambda value: value["type"] == f"checkout.{kind}")
    event_id = json.loads(logs.events[number].value)["event_id"]
    logs.events = without(logs.events, number)
    report = judge(logs, accepted)
    assert len(report.differences) == 1
    assert f"checkout.{kind} {event_id} of checkout" in report.differences[0]
    assert "was not published" in report.differences[0]


def test_a_changed_id_is_named(logs: Logs, accepted: list[Accepted]) -> None:
    event_id = json.loads(logs.events[5].value)["event_id"]
    other = "00000000-0000-5000-8000-000000000000"
    headers = {**logs.events[5].headers, "ce_id": other}
    logs.events = edited(logs.events, 5, set_field("event_id", other), headers=headers)
    differences = " / ".join(judge(logs, accepted).differences)
    assert re.search(f"{other} of checkout .* follows from nothing", differences)
    assert re.search(f"{event_id} of checkout .* was not published", differences)


def test_an_event_published_twice_is_named(logs: Logs, accepted: list[Accepted]) -> None:
    record = logs.events[3]
    logs.events = [*logs.events, replace(record, offset=10**6)]
    event_id = json.loads(record.value)["event_id"]
    (difference,) = judge(logs, accepted).differences
    assert event_id in difference
    assert "more often" in difference


def test_events_of_a_checkout_in_the_wrong_order_are_named(
    logs: Logs, accepted: list[Accepted]
) -> None:
    later = find(
        logs.events,
        lambda value: value["type"] == "checkout.recovered" and value["was_announced_abandoned"],
    )
    checkout = json.loads(logs.events[later].value)["abandoned_checkout_id"]
    earlier = min(n for n, record in enumerate(logs.events) if record.key == checkout)
    records = list(logs.events)
    records[earlier], records[later] = records[later], records[earlier]
    logs.events = records
    assert judge(logs, accepted).differences == [
        f"the events of checkout {checkout} are not in the order of the log"
    ]


@pytest.mark.parametrize(
    ("kind", "field", "new"),
    [
        ("recovered", "time_to_recovery_seconds", 1),
        ("recovered", "recovered_at", "2026-01-01T00:00:00.000Z"),
        ("recovered", "was_announced_abandoned", None),
        ("recovered", "last_touch", {"type": "TASK_CREATED"}),
        ("abandoned", "abandoned_at", "2026-01-01T00:00:00.000Z"),
        ("abandoned", "expires_at", "2026-01-01T00:00:00.000Z"),
        ("abandoned", "instance_id", "another"),
        ("abandoned", "is_staff", None),
        ("abandoned", "total", None),
        ("changed", "changed_fields", ["phase_of_the_moon"]),
        ("changed", "revision", 77),
        ("deleted", "source_event_id", "another"),
    ],
)
def test_a_wrong_field_of_an_event_is_named(
    logs: Logs, accepted: list[Accepted], kind: str, field: str, new: Any
) -> None:
    number = find(logs.events, lambda value: value["type"] == f"checkout.{kind}")
    logs.events = edited(logs.events, number, set_field(field, new))
    (difference,) = judge(logs, accepted).differences
    assert f": {field} is" in difference


def test_personal_data_of_an_erased_buyer_is_noticed_and_not_repeated(
    logs: Logs, accepted: list[Accepted]
) -> None:
    sent = [json.loads(record.value) for record in logs.source]
    emails = {
        event["entityId"]: email
        for event in sent
        if "createdEvent" in event
        and (email := event["createdEvent"]["entity"]["buyerInfo"].get("email"))
    }
    number = find(
        logs.events,
        lambda value: (
            value["type"] == "checkout.anonymized" and value["abandoned_checkout_id"] in emails
        ),
    )
    email = emails[logs.events[number].key]
    logs.events = edited(logs.events, number, set_field("note", email))
    (difference,) = judge(logs, accepted).differences
    assert "shows personal data" in difference
    logs.events = edited(logs.events, number, set_field("buyer", {"email": email}))
    assert email not in " ".join(judge(logs, accepted).differences)


def test_an_accepted_webhook_that_is_not_in_the_log_is_named(
    logs: Logs, accepted: list[Accepted]
) -> None:
    lost = next(webhook for webhook in accepted if webhook.slug == "updated")
    logs.source = [
        record
        for record in logs.source
        if f"{record.topic}-{record.partition}-{record.offset}" != lost.position
    ]
    assert judge(logs, accepted).differences[0] == (
        f"the webhook {lost.event_id} was answered 200 with {lost.position}, "
        "where the log has nothing"
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"event_id": "another"}, "the log has"),
        ({"checkout_id": "another"}, "key or site is another's"),
        ({"digest": "another"}, "not byte for byte"),
        ({"position": ""}, "no position"),
    ],
)
def test_an_accepted_webhook_at_another_place_is_named(
    logs: Logs, accepted: list[Accepted], changes: dict[str, Any], named: str
) -> None:
    number = next(
        n
        for n, webhook in enumerate(accepted)
        if webhook.slug == "updated" and not webhook.says_recovered
    )
    accepted[number] = replace(accepted[number], **changes)
    (difference,) = judge(logs, accepted).differences
    assert accepted[number].event_id in difference
    assert named in difference


def test_a_recovery_that_only_the_shop_knows_of_is_named(
    logs: Logs, accepted: list[Accepted]
) -> None:
    recovered = {webhook.checkout_id for webhook in accepted if webhook.says_recovered}
    number = next(
        n
        for n, webhook in enumerate(accepted)
        if webhook.slug == "created" and webhook.checkout_id not in recovered
    )
    accepted[number] = replace(accepted[number], says_recovered=True)
    assert judge(logs, accepted).differences == [
        f"the checkout {accepted[number].checkout_id} has recovered, which the log does not say"
    ]


def test_a_webhook_that_the_ingress_could_not_read_and_did_not_keep_is_named(
    logs: Logs, accepted: list[Accepted]
) -> None:
    lost = next(webhook for webhook in accepted if webhook.slug == "nameless")
    logs.dead_letters = [
        record
        for record in logs.dead_letters
        if f"{record.topic}-{record.partition}-{record.offset}" != lost.position
    ]
    (difference,) = judge(logs, accepted).differences
    assert lost.event_id in difference
    assert lost.position in difference


def test_an_unreadable_record_without_its_dead_letter_is_named(
    logs: Logs, accepted: list[Accepted]
) -> None:
    number = worker_letter(logs)
    position = "-".join(
        logs.dead_letters[number].headers[f"dead_letter_{name}"]
        for name in ("topic", "partition", "offset")
    )
    logs.dead_letters = without(logs.dead_letters, number)
    assert judge(logs, accepted).differences == [
        f"the source record {position} is in no dead letter: entity_unreadable"
    ]


def test_a_dead_letter_of_what_can_be_read_is_named(logs: Logs, accepted: list[Accepted]) -> None:
    letter = logs.dead_letters[worker_letter(logs)]
    headers = {**letter.headers, "dead_letter_offset": "999999"}
    logs.dead_letters = [*logs.dead_letters, replace(letter, headers=headers)]
    assert any("without a reason" in text for text in judge(logs, accepted).differences)


def test_a_lost_doubled_or_altered_fact_is_named(logs: Logs, accepted: list[Accepted]) -> None:
    facts = logs.facts
    number = find(facts, lambda value: value["kind"] == "fact")
    source = json.loads(facts[number].value)["source"]
    name = f"of source record {source['partition']}-{source['offset']} "
    logs.facts = [*facts, replace(facts[number], offset=10**6)]
    doubled = judge(logs, accepted).differences
    assert any(name in text and "published 2 times" in text for text in doubled)
    logs.facts = without(facts, number)
    lost = judge(logs, accepted).differences
    assert any(name in text and "published 0 times" in text for text in lost)
    logs.facts = edited(facts, number, lambda value: value["after"].update(amount="0.01"))
    altered = judge(logs, accepted).differences
    assert any(name in text and "not what the log says" in text for text in altered)


@pytest.mark.parametrize("topic", ["events", "facts", "conversion"])
def test_what_is_no_record_at_all_is_named(
    logs: Logs, accepted: list[Accepted], topic: str
) -> None:
    records = getattr(logs, topic)
    rubbish = replace(records[-1], value=b"[]", offset=10**6)
    setattr(logs, topic, [*records, rubbish])
    differences = judge(logs, accepted).differences
    assert any(f"{rubbish.partition}-{10**6} is no" in text for text in differences)


def test_only_fifty_differences_are_told_and_all_are_counted(
    logs: Logs, accepted: list[Accepted]
) -> None:
    total = len(logs.events)
    logs.events = []
    report = judge(logs, accepted)
    assert len(report.differences) == 50
    assert report.rows()[-1] == ("differences", f"{total:,}")
