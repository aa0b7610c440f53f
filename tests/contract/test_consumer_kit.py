"""What a subscriber gets: parsing, memory, golden records, scenarios."""

from __future__ import annotations

import json
import sqlite3
import traceback
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from schemas.consumer import (
    CONVERSION,
    EVENTS,
    EVENTS_RETENTION,
    Record,
    UnreadableRecordError,
    parse,
    parse_conversion,
)
from schemas.conversion import ConversionV1
from schemas.dedupe import Deduplicator, InMemoryDeduplicator, SqlDeduplicator
from schemas.golden import golden_records
from schemas.lifecycle import EVENT_TYPES
from schemas.scenarios import DELAY, scenarios
from streams.adapters.topics import load_topics
from tests.support.examples import DIRECTORY as EXAMPLES
from tests.support.examples import text_of
from tests.support.scenarios import DIRECTORY as SCENARIOS
from tests.support.scenarios import contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
LATER = NOW + EVENTS_RETENTION


class Methods:
    """A message as confluent-kafka gives it."""

    def __init__(self, record: Record, headers: list[tuple[str, bytes]] | None) -> None:
        self._record, self._headers = record, headers

    def key(self) -> bytes | None:
        return self._record.key

    def value(self) -> bytes | None:
        return self._record.value

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self._headers

    def topic(self) -> str:
        return self._record.topic

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 7


class Attributes:
    """A message as aiokafka gives it."""

    def __init__(self, record: Record) -> None:
        self.key, self.value, self.topic = record.key, record.value, record.topic
        self.headers = tuple(record.headers.items())
        self.partition, self.offset = 3, 7


@pytest.mark.parametrize("name", golden_records())
def test_a_golden_record_is_read_whatever_client_gave_it(name: str) -> None:
    record = golden_records()[name]
    for message in (Methods(record, list(record.headers.items())), Attributes(record)):
        event = parse(Record.of(message))
        assert event is not None
        assert event.event_id == record.event_id
        assert event.abandoned_checkout_id.encode() == record.key


def test_a_record_without_headers_is_read_too() -> None:
    record = Record.of(Methods(golden_records()["10-abandoned-minimal"], None))
    assert parse(record) is not None
    assert record.event_id is None
    assert (record.partition, record.offset) == (3, 7)


def test_the_golden_records_of_a_topic_are_its_examples_byte_for_byte() -> None:
    for topic in (EVENTS, CONVERSION, "wix.abandoned-checkouts.v1"):
        files = {file.stem: file for file in (EXAMPLES / topic).glob("*.json")}
        assert golden_records(topic).keys() == files.keys()
        for name, record in golden_records(topic).items():
            assert json.loads(record.value or b"") == json.loads(files[name].read_text())["value"]
    (site,) = golden_records(CONVERSION).values()
    assert isinstance(parse_conversion(site), ConversionV1)


def test_a_type_of_a_later_release_is_none() -> None:
    assert parse(Record(key=b"c", value=b'{"type": "checkout.reminded"}')) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "it has no value"),
        (b"", "not a JSON object of ours"),
        (b"\xff", "not a JSON object of ours"),
        (b'["secret@mail.example"]', "not a JSON object of ours"),
        (b'{"type": "checkout.deleted", "buyer": "secret@mail.example"}', "buyer: "),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place_without_its_contents(
    value: bytes | None, says: str
) -> None:
    record = Record(key=None, value=value, partition=2, offset=41)
    with pytest.raises(UnreadableRecordError) as caught:
        parse(record)
    assert str(caught.value).startswith(f"{EVENTS}[2]@41: ")
    assert says in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.fixture(params=["memory", "sql"])
def deduplicator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deduplicator]:
    if request.param == "memory":
        yield InMemoryDeduplicator()
        return
    with closing(sqlite3.connect(tmp_path / "seen.sqlite")) as connection:
        found = SqlDeduplicator(connection)
        found.create_table()
        found.create_table()
        yield found


def test_an_id_is_new_once(deduplicator: Deduplicator) -> None:
    assert deduplicator.is_new("a", now=NOW)
    assert not deduplicator.is_new("a", now=NOW + timedelta(days=1))
    assert deduplicator.is_new("b", now=NOW)


def test_an_id_is_remembered_as_long_as_the_topic_keeps_its_event(
    deduplicator: Deduplicator,
) -> None:
    deduplicator.is_new("a", now=NOW)
    deduplicator.is_new("b", now=NOW + timedelta(milliseconds=1))
    assert deduplicator.forget(now=LATER) == 0
    assert not deduplicator.is_new("a", now=LATER)
    assert deduplicator.forget(now=LATER + timedelta(milliseconds=1)) == 1
    assert deduplicator.is_new("a", now=LATER)
    assert not deduplicator.is_new("b", now=LATER)


def test_what_is_rolled_back_is_not_remembered(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "seen.sqlite")) as connection:
        found = SqlDeduplicator(connection)
        found.create_table()
        connection.commit()
        assert found.is_new("a", now=NOW)
        connection.rollback()
        assert found.is_new("a", now=NOW)
        connection.commit()
    with closing(sqlite3.connect(tmp_path / "seen.sqlite")) as connection:
        assert not SqlDeduplicator(connection).is_new("a", now=NOW)


def test_instants_are_compared_whatever_their_zone_and_never_without(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "seen.sqlite")) as connection:
        found = SqlDeduplicator(connection)
        found.create_table()
        found.is_new("a", now=NOW.astimezone(timezone(timedelta(hours=9))))
        assert found.forget(now=LATER.astimezone(timezone(-timedelta(hours=9)))) == 0
        with pytest.raises(ValueError, match="time zone"):
            found.is_new("b", now=NOW.replace(tzinfo=None))


def test_the_retention_that_the_kit_knows_is_that_of_the_topic() -> None:
    (events,) = [topic for topic in load_topics().topics if topic.name == EVENTS]
    assert events.retention == EVENTS_RETENTION


def test_the_committed_scenarios_are_what_the_product_makes() -> None:
    made = {f"{name}.json": text_of(content) for name, content in contents()}
    assert {file.name: file.read_text("utf-8") for file in SCENARIOS.glob("*.json")} == made, (
        "run `python -m tests.support.scenarios` and look at the difference"
    )


def test_the_scenarios_play_every_type_an_unknown_one_and_a_repeat() -> None:
    seen: set[Any] = set()
    for scenario in scenarios().values():
        records: list[Record] = []
        scenario.play(records.append)
        types = [event and event.type for event in map(parse, records)]
        seen |= set(types)
        if scenario.name == "repeat":
            assert len({record.event_id for record in records}) < len(records)
    assert seen == {*EVENT_TYPES, None}


def test_a_scenario_tells_the_time_after_the_records_of_an_act() -> None:
    story = scenarios()["abandon-remind-recover"]
    heard: list[Any] = []
    story.play(lambda record: heard.append(record.event_id), heard.append)
    first, second = story.acts
    assert heard == [
        *[record.event_id for record in first.records],
        first.now,
        *[record.event_id for record in second.records],
        second.now,
    ]
    assert second.now - first.now > DELAY
    assert story.actions == [*first.actions, *second.actions]
