"""Published rates equal a brute-force computation, for random traffic, over restarts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from schemas.conversion import ConversionV1
from streams.adapters.facts import encode_tick
from streams.domain.law import Law
from streams.worker.measuring import Measuring
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Outgoing, Target
from streams.worker.tracking import Tracking
from tests.support.brute_force import record, rows
from tests.support.builders import T0, entity, headers, text, wix_event

SITES = ("site-a", "site-b")
LAW = Law()
PARTITIONS = 3


class Pipeline:
    """Both agents on plain dictionaries; facts reach one partition in the order they were made."""

    def __init__(self) -> None:
        self.checkouts: list[dict[bytes, bytes]] = [{} for _ in range(PARTITIONS)]
        self.cohorts: dict[bytes, bytes] = {}
        self.offsets = [0] * PARTITIONS
        self.facts = 0
        self.source: list[tuple[str, bytes]] = []
        self.published: list[dict[str, Any]] = []
        self.restart()

    def restart(self) -> None:
        """New processes over the same tables."""
        self.tracking = Tracking(LAW, WorkerMetrics())
        self.measuring = Measuring(LAW, WorkerMetrics())

    def receive(
        self,
        site: str,
        event: dict[str, Any],
        received: datetime,
        *,
        written: datetime | None = None,
    ) -> None:
        value = json.dumps(event).encode()
        number = sum(event["entityId"].encode()) % PARTITIONS
        incoming = Incoming(
            "source",
            number,
            self.offsets[number],
            event["entityId"].encode(),
            value,
            headers(received, site=site),
            0,
        )
        self.offsets[number] += 1
        self.source.append((site, value))
        for outgoing in self.tracking.process(incoming, self.checkouts[number]):
            assert outgoing.target in (Target.EVENTS, Target.FACTS)
            if outgoing.target is Target.FACTS:
                self._measure(outgoing.value, outgoing.key, written or received)

    def tick(self, at: datetime) -> None:
        self._measure(encode_tick(at), None, at)

    def _measure(self, value: bytes | None, key: bytes | None, written: datetime) -> None:
        milliseconds = int(written.timestamp() * 1000)
        incoming = Incoming("facts", 0, self.facts, key, value, [], milliseconds)
        self.facts += 1
        for outgoing in self.measuring.process(incoming, self.cohorts):
            self._publish(outgoing)

    def _publish(self, outgoing: Outgoing) -> None:
        assert outgoing.target is Target.CONVERSION
        assert outgoing.value is not None
        found = ConversionV1.model_validate_json(outgoing.value)
        assert found.instance_id.encode() == outgoing.key
        self.published.append(json.loads(outgoing.value))


def random_event(random: Random, now: datetime) -> tuple[str, dict[str, Any], datetime]:
    number = random.randrange(25)
    created = T0 - timedelta(days=34) + timedelta(hours=31 * number, minutes=number)
    slug = random.choice(["created", "updated", "updated", "recovered", "deleted"])
    moment = created + timedelta(seconds=random.choice([0, 50, 4000, 90_000, 700_000]))
    if random.random() < 0.05:
        moment = now + timedelta(minutes=random.choice([3, 30, 60 * 24 * 400]))
    body: dict[str, Any] | None = entity(
        id=f"c-{number}",
        createdDate=random.choice([text(created), text(created), None]),
        updatedDate=random.choice([text(moment), None]),
        checkoutId=random.choice(["x", "", None]),
        status=random.choice(["ABANDONED", "RECOVERED"]),
        buyerInfo=random.choice([{"email": "a@b"}, {"visitorId": "v"}, {"userId": "u"}, None]),
        contactDetails=random.choice([{"phone": "1"}, {}, None]),
        currency=random.choice(["EUR", "JPY", "USD", "EUR", None]),
        totalPrice=random.choice(
            [{"amount": "85.50"}, {"amount": "1000000000000000"}, {"amount": "0"}, {"amount": "-1"}]
        ),
        activities=random.choice(
            [None, [{"type": "SCHEDULED"}], [{"type": "EMAIL_SENT", "createdDate": text(moment)}]]
        ),
        checkoutRecoveredDate=random.choice([None, None, text(moment)]),
        lineItems=None,
    )
    if slug == "deleted" and random.random() < 0.5:
        body = None
    event = wix_event(
        slug,
        body,
        event_id=f"e-{random.randrange(10**9)}",
        when=moment,
        sequence=random.choice([None, random.randrange(5), str(random.randrange(20))]),
        anonymize=random.random() < 0.1,
        checkout=f"c-{number}",
    )
    event = {name: value for name, value in event.items() if value is not None}
    return random.choice(SITES), event, now


@pytest.mark.parametrize("seed", range(20))
def test_published_rates_equal_brute_force(seed: int) -> None:
    random, pipeline, now = Random(seed), Pipeline(), T0
    sent: list[tuple[str, dict[str, Any]]] = []
    for step in range(120):
        now += timedelta(seconds=random.choice([0.1, 1.5, 40, 900]))
        site, event, received = random_event(random, now)
        if sent and random.random() < 0.1:
            site, event = random.choice(sent)
        sent.append((site, event))
        already = len(pipeline.published)
        pipeline.receive(site, event, received)
        if random.random() < 0.2:
            pipeline.tick(now)
        if random.random() < 0.1:
            pipeline.restart()
        if step % 4 == 0 or step > 110:
            check(pipeline, pipeline.published[already:])
    pipeline.tick(now + timedelta(minutes=1))
    latest = {found["instance_id"]: found for found in pipeline.published}
    check(pipeline, list(latest.values()))
    assert len(pipeline.published) > 50


def check(pipeline: Pipeline, published: list[dict[str, Any]]) -> None:
    """The newest record of each site holds all that came before it."""
    tables = rows(pipeline.source)
    for found in {one["instance_id"]: one for one in published}.values():
        expected = record(tables[found["instance_id"]], datetime.fromisoformat(found["as_of"]))
        assert {name: found[name] for name in expected} == expected


def test_a_record_is_published_at_most_once_a_second_and_the_rest_at_the_next_tick() -> None:
    pipeline = Pipeline()
    for number in range(5):
        event = wix_event(
            "created", entity(), event_id=f"{number}", when=T0, checkout=f"c-{number}"
        )
        pipeline.receive("site-a", event, T0 + timedelta(milliseconds=100 * number))
    assert len(pipeline.published) == 1
    assert pipeline.measuring.has_unpublished(0)
    pipeline.restart()
    pipeline.tick(T0 + timedelta(seconds=2))
    assert [r["windows"][0]["cohort"]["abandoned"] for r in pipeline.published] == [1, 5]
    assert not pipeline.measuring.has_unpublished(0)
    pipeline.tick(T0 + timedelta(seconds=1))
    pipeline.tick(T0 + timedelta(seconds=4))
    assert len(pipeline.published) == 2, "nothing changed"


def test_a_backlog_makes_a_record_a_second_and_its_end_is_told_at_the_next_tick() -> None:
    pipeline = Pipeline()
    worked_off = T0 + timedelta(days=3)
    for number in range(50):
        when = T0 + timedelta(hours=number)
        event = wix_event(
            "created", entity(), event_id=f"{number}", when=when, checkout=f"{number}"
        )
        pipeline.receive("site-a", event, when, written=worked_off + timedelta(milliseconds=number))
    assert len(pipeline.published) == 1
    pipeline.tick(worked_off + timedelta(seconds=2))
    assert [r["windows"][3]["cohort"]["abandoned"] for r in pipeline.published] == [1, 50]
    check(pipeline, pipeline.published)


def test_after_a_restore_a_tick_tells_what_waited_before_it() -> None:
    pipeline = Pipeline()
    for number in range(2):
        event = wix_event("created", entity(), event_id=f"{number}", when=T0, checkout=f"{number}")
        pipeline.receive("site-a", event, T0)
    assert pipeline.measuring.has_unpublished(0)
    pipeline.measuring.forget()
    assert pipeline.measuring.has_unpublished(0), "a tick is wanted, for nobody has looked yet"
    other = wix_event("created", entity(), event_id="3", when=T0, checkout="3")
    pipeline.receive("site-b", other, T0)
    assert pipeline.measuring.has_unpublished(0), "nobody has looked at the first site yet"
    pipeline.tick(T0 + timedelta(seconds=2))
    assert not pipeline.measuring.has_unpublished(0)
    sites = [r["windows"][3]["cohort"]["abandoned"] for r in pipeline.published]
    assert sites == [1, 1, 2], "the first site's two come with the tick"


def test_a_tick_behind_one_of_a_fast_clock_tells_what_waits() -> None:
    pipeline = Pipeline()
    pipeline.tick(T0 + timedelta(hours=1))
    for number in range(2):
        event = wix_event("created", entity(), event_id=f"{number}", when=T0, checkout=f"{number}")
        pipeline.receive("site-a", event, T0)
    pipeline.tick(T0 + timedelta(seconds=2))
    assert [r["windows"][3]["cohort"]["abandoned"] for r in pipeline.published] == [1, 2]
    check(pipeline, pipeline.published)


def test_facts_that_overtake_each_other_make_no_record_each() -> None:
    pipeline = Pipeline()
    for number, clock in enumerate((1.5, 0, 1.5, 0)):
        when = T0 + timedelta(seconds=number / 10)
        event = wix_event(
            "created", entity(), event_id=f"{number}", when=when, checkout=f"{number}"
        )
        pipeline.receive("site-a", event, when, written=when + timedelta(seconds=clock))
    assert len(pipeline.published) == 1


def test_a_worker_with_a_fast_clock_silences_no_site() -> None:
    pipeline = Pipeline()
    for number, clock in enumerate((timedelta(hours=1), timedelta(0), timedelta(seconds=5))):
        when = T0 + timedelta(seconds=2 * number)
        event = wix_event(
            "created", entity(), event_id=f"{number}", when=when, checkout=f"{number}"
        )
        pipeline.receive("site-a", event, when, written=when + clock)
    assert [r["windows"][3]["cohort"]["abandoned"] for r in pipeline.published] == [1, 2, 3]


def test_ticks_move_old_abandonments_out_and_an_hour_brings_a_heartbeat() -> None:
    pipeline = Pipeline()
    event = wix_event("created", entity(), event_id="1", when=T0, checkout="c")
    pipeline.receive("site-a", event, T0)
    pipeline.tick(T0 + timedelta(minutes=70))
    assert pipeline.published[-1]["windows"][0]["cohort"]["abandoned"] == 0
    assert pipeline.published[-1]["windows"][1]["cohort"]["abandoned"] == 1
    before = len(pipeline.published)
    for minutes in (71, 72, 73):
        pipeline.tick(T0 + timedelta(minutes=minutes))
    assert len(pipeline.published) == before
    pipeline.tick(T0 + timedelta(minutes=140))
    assert len(pipeline.published) == before + 1


def test_an_unreadable_fact_is_a_dead_letter() -> None:
    measuring = Measuring(LAW, WorkerMetrics())
    (letter,) = measuring.process(Incoming("facts", 0, 7, b"k", b"\xff", [], 0), {})
    assert letter.target is Target.DEAD_LETTERS
    assert dict(letter.headers)["dead_letter_reason"] == b"fact_unreadable"
    assert dict(letter.headers)["dead_letter_offset"] == b"7"
    assert letter.value == b"\xff"


@pytest.mark.parametrize(
    "mutate",
    [
        lambda record: record["windows"][3]["cohort"].update(abandoned=10**6),
        lambda record: record["windows"][3]["cohort"].update(
            rate=f"{float(record['windows'][3]['cohort']['rate'] or 0) + 1e-6:.6f}"
        ),
        lambda record: record["windows"][3]["money"][0].update(open="0.01"),
        lambda record: record.update(unpriced=record["unpriced"] + 1),
    ],
    ids=["a count", "the last digit of a rate", "an amount", "a count beside"],
)
def test_the_brute_force_check_notices_a_changed_number(mutate: Any) -> None:
    pipeline = Pipeline()
    for number in range(3):
        event = wix_event(
            "created", entity(), event_id=f"{number}", when=T0, checkout=f"c-{number}"
        )
        pipeline.receive("site-a", event, T0 + timedelta(seconds=2 * number))
    check(pipeline, pipeline.published)
    mutate(pipeline.published[-1])
    with pytest.raises(AssertionError):
        check(pipeline, pipeline.published)


def test_the_brute_force_check_notices_a_dropped_event() -> None:
    pipeline = Pipeline()
    for number in range(3):
        event = wix_event(
            "created", entity(), event_id=f"{number}", when=T0, checkout=f"c-{number}"
        )
        pipeline.receive("site-a", event, T0 + timedelta(seconds=2 * number))
    del pipeline.source[1]
    with pytest.raises(AssertionError):
        check(pipeline, pipeline.published)
