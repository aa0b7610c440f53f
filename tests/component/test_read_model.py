"""Records of the topics as rows, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from streams.adapters.database.columns import instant_of
from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import HEAD, migrate, require_tables
from streams.adapters.database.tables import (
    ANNOUNCEMENTS,
    CHECKOUTS,
    METADATA,
    POSITIONS,
    RATES_HISTORY,
    RECEIVED_EVENTS,
    SITES,
)
from streams.adapters.errors import DatabaseError
from streams.adapters.topics import CONVERSION, EVENTS, SOURCE
from streams.api.metrics import ApiMetrics
from streams.api.model import Complete, Model, Place, PositionMovedError, Record
from streams.api.model.positions import reset_positions
from streams.demo.simulator.platform import Options, Platform, past
from tests.support.builders import CHECKOUT, OTHER_SITE, T0, at, entity, headers
from tests.support.builders import text as text_of
from tests.support.databases import PostgreSQL, sqlite_database
from tests.support.records import of_whole, source, story
from tests.support.whole import Whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Engine, Table

PLACES = [Place(SOURCE, partition) for partition in range(4)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def migrated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A database with our tables."""
    if request.param == "sqlite":
        url = sqlite_database(tmp_path_factory.mktemp("model"))
    else:
        server: PostgreSQL = request.getfixturevalue("postgres")
        url = server.new_database()
    engine = writing_engine(url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    """The same, empty."""
    with migrated.begin() as connection:
        for table in METADATA.sorted_tables:
            if table.name != "model":
                connection.execute(table.delete())
    return migrated


def begun(engine: Engine, places: Sequence[Place] = PLACES) -> Model:
    model = Model(engine, ApiMetrics())
    model.begin(places)
    return model


def rows(engine: Engine, table: Table) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key.columns))
        return [dict(row) for row in found.mappings()]


def everything(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables; freshness and the database's own id differ by nature."""
    found = {}
    for table in METADATA.sorted_tables:
        if table.name != "model":
            found[table.name] = [
                {
                    name: value
                    for name, value in row.items()
                    if (table, name) != (POSITIONS, "as_of")
                }
                for row in rows(engine, table)
            ]
    return found


def test_a_checkout_is_answered_as_wix_would(engine: Engine) -> None:
    body = entity(unknown={"field": [1, 2.50]}, totalPrice={"amount": "85.50"})
    begun(engine).apply([source(0, "created", body)])
    (row,) = rows(engine, CHECKOUTS)
    assert json.loads(row["entity"]) == body
    assert row["instance_id"] == "5d1cbcf4-0000-4000-8000-000000000001"
    assert (row["status"], row["email"], row["total_amount"]) == (
        "ABANDONED",
        "ada@mail.example",
        "0000000000000085.500000000",
    )


def test_a_recovery_is_final_whatever_the_newest_event_says(engine: Engine) -> None:
    late = entity(updatedDate="2026-03-02T00:00:00.000Z")
    begun(engine).apply([*story(), source(9, "updated", late)])
    (row,) = rows(engine, CHECKOUTS)
    assert json.loads(row["entity"])["status"] == "RECOVERED"
    assert json.loads(row["entity"])["updatedDate"] == "2026-03-02T00:00:00.000Z"


def test_any_order_any_repeats_and_any_batches_give_the_same_bytes(engine: Engine) -> None:
    events = story()
    begun(engine).apply(events)
    expected = rows(engine, CHECKOUTS)
    for seed in range(6):
        random = Random(seed)
        mixed = random.choices(events, k=4) + random.sample(events, k=len(events))
        with engine.begin() as connection:
            connection.execute(CHECKOUTS.delete())
            connection.execute(RECEIVED_EVENTS.delete())
            reset_positions(connection)
        model = begun(engine)
        numbered = [record._replace(offset=number) for number, record in enumerate(mixed)]
        while numbered:
            size = random.randint(1, 4)
            model.apply(numbered[:size])
            numbered = numbered[size:]
        assert rows(engine, CHECKOUTS) == expected


def test_the_timeline_says_what_each_event_changed(engine: Engine) -> None:
    created, typed, recovered, again = story()
    repeated = recovered._replace(offset=4)
    begun(engine).apply([created, typed, recovered, again, repeated])
    assert [
        (row["effect"], json.loads(row["changed"])) for row in rows(engine, RECEIVED_EVENTS)
    ] == [
        ("first", []),
        (
            "changed",
            [
                "buyerInfo.email",
                "contactDetails.firstName",
                "contactDetails.lastName",
                "updatedDate",
            ],
        ),
        ("changed", ["checkoutRecoveredDate", "status", "updatedDate"]),
        ("changed", ["updatedDate"]),
        ("nothing", []),
    ]


def test_a_paused_process_that_wakes_up_after_another_took_over_writes_nothing(
    engine: Engine,
) -> None:
    paused, other = begun(engine), begun(engine)
    other.apply(story())
    before = everything(engine)
    stale = [source(0, "created", entity(status="ABANDONED", totalPrice={"amount": "1"}))]
    with pytest.raises(PositionMovedError):
        paused.apply(stale)
    assert everything(engine) == before
    assert paused.begin(PLACES)[PLACES[0]] == 4


def test_a_stale_batch_writes_nothing_of_its_other_partitions_either(engine: Engine) -> None:
    paused, other = begun(engine), begun(engine)
    other.apply(story())
    fresh = source(0, "created", entity(id="b"), checkout="b", partition=1)
    with pytest.raises(PositionMovedError):
        paused.apply([fresh, *story()])
    assert [row["abandoned_checkout_id"] for row in rows(engine, CHECKOUTS)] == [CHECKOUT]


def test_after_an_erasure_no_table_holds_personal_data(engine: Engine) -> None:
    personal = ("ada@mail.example", "Ada", "Lovelace", "shop.example", "secret engraving")
    lines = [{"id": "l", "catalogReference": {"options": {"text": "secret engraving"}}}]
    model = begun(engine)
    newest = entity(lineItems=lines, updatedDate=text_of(at(180)))
    model.apply([*story(), source(5, "updated", newest)])
    assert all(word in str(everything(engine)) for word in personal)
    erasure = entity(updatedDate=text_of(at(200)))
    model.apply([source(6, "updated", erasure, anonymize=True)])
    straggler = entity(lineItems=lines, updatedDate=text_of(at(190)))
    model.apply([source(7, "updated", straggler)])
    kept = str(everything(engine))
    assert [word for word in personal if word in kept] == []
    (row,) = rows(engine, CHECKOUTS)
    assert row["is_anonymized"]
    assert row["email"] is None


def test_a_deletion_leaves_a_row_that_says_so_and_nothing_personal(engine: Engine) -> None:
    begun(engine).apply([*story(), source(5, "deleted", None, origin="operator")])
    (row,) = rows(engine, CHECKOUTS)
    assert row["is_deleted"]
    assert "ada@mail.example" not in str(everything(engine))
    assert rows(engine, RECEIVED_EVENTS)[-1]["origin"] == "operator"


def test_a_checkout_belongs_to_the_site_of_its_lowest_version(engine: Engine) -> None:
    later = source(0, "updated", entity(updatedDate="2026-03-01T13:00:00.000Z"), site=OTHER_SITE)
    model = begun(engine)
    model.apply([later])
    assert rows(engine, CHECKOUTS)[0]["instance_id"] == OTHER_SITE
    model.apply([source(1, "created", entity())])
    (row,) = rows(engine, CHECKOUTS)
    assert row["instance_id"] != OTHER_SITE
    assert json.loads(rows(engine, RECEIVED_EVENTS)[-1]["changed"]) == ["site"]


def test_an_unreadable_record_is_left_out_and_the_others_pass(engine: Engine) -> None:
    metrics = ApiMetrics()
    model = Model(engine, metrics)
    others = [Place(EVENTS, 0), Place(CONVERSION, 0)]
    model.begin([*PLACES, *others])
    foreign = [Record(place, 0, b"k", b'{"type": "of.tomorrow"}', [], 0) for place in others]
    broken = source(4, "created", {"createdDate": "the day before yesterday"})
    no_json = source(5, "created")._replace(value=b"{")
    after = source(6, "created", entity(id="b"), checkout="b")
    model.apply([*story(), broken, no_json, *foreign, after])
    assert len(rows(engine, CHECKOUTS)) == 2
    samples = {
        (sample.labels["topic"], sample.labels["reason"]): sample.value
        for metric in metrics.unreadable.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert samples == {
        (SOURCE, "entity_unreadable"): 1,
        (SOURCE, "event_unreadable"): 1,
        (EVENTS, "of_another_release"): 1,
        (CONVERSION, "of_another_release"): 1,
    }


def test_what_the_database_can_not_hold_is_left_out_and_the_others_pass(engine: Engine) -> None:
    long = "".join(Random(1).choices("0123456789abcdef", k=20_000))
    odd = source(1, "created", entity(id="a\0b", buyerInfo={"email": "nul\0byte"}), checkout="c")
    begun(engine).apply(
        [*story(), source(5, "created", entity(), checkout=long), odd._replace(offset=6)]
    )
    kept = {row["abandoned_checkout_id"] for row in rows(engine, CHECKOUTS)}
    assert {CHECKOUT, "c"} <= kept
    assert rows(engine, POSITIONS)[0]["next_offset"] == 7


TIME = b'"eventTime":"2026-03-01T00:00:00Z"'
ODD_EVENTS = [
    b"",
    b"null",
    b"[]",
    b'{"id":"\\ud800","entityId":"x",%s,"createdEvent":{"entity":{"status":"\\udfff"}}}' % TIME,
    b'{"id":"a","createdEvent":{"entity":{"createdDate":"9999-12-31T23:59:59.999999Z"}}}',
    b'{"id":"a",%s,"createdEvent":{"entity":{"buyerInfo":{"email":5},"totalPrice":"x"}}}' % TIME,
    b'{"id":"a",%s,"createdEvent":{"entity":"[1,2]"}}' % TIME,
    b'{"id":"a",%s,"createdEvent":{"entity":{"a":1e999,"b":NaN}}}' % TIME,
    b'{"id":"a",%s,"createdEvent":{"entity":{"a":%s,"x":"\xff"}}}' % (TIME, b"9" * 30),
    b'{"id":"a",%s,"createdEvent":{"entity":{"a":%s}}}' % (TIME, b"[" * 3000 + b"]" * 3000),
    b'{%s,"entityEventSequence":"99999999999999999999"}' % TIME,
]
ANNOUNCED = b'{"event_id":"%s","type":"t","revision":%s,"source_event_id":"","occurred_at":"%s",'
ODD_ANNOUNCEMENTS = [
    None,
    b"{}",
    ANNOUNCED % (b"\\ud800", b"1", b"2026-01-01T00:00:00Z") + b'"abandoned_checkout_id":"a"}',
    ANNOUNCED % (b"a\\u0000", b"1", b"2026-01-01T00:00:00Z")
    + b'"abandoned_checkout_id":"\\u0000"}',
    ANNOUNCED % (b"b", b"1", b"2026-01-01T00:00:00") + b'"abandoned_checkout_id":"a"}',
    ANNOUNCED % (b"c", b"9" * 30, b"2026-01-01T00:00:00Z") + b'"abandoned_checkout_id":"a"}',
]


def test_whatever_bytes_are_in_the_topics_the_model_goes_on(engine: Engine) -> None:
    others = [Place(EVENTS, 0), Place(CONVERSION, 0)]
    model = begun(engine, [*PLACES, *others])
    said = [*headers(T0), ("ce_accountinfo", b'{"siteId":"\\ud800","accountId":5}'), ("x", None)]
    keys = (b"k", b"\xff\xfe", b"K\x00Z", b"\xed\xa0\x80")
    odd = [(key, value) for value in ODD_EVENTS for key in keys]
    for offset, (key, value) in enumerate(odd):
        model.apply([Record(PLACES[0], offset, key, value, said, 0)])
    for offset, announced in enumerate(ODD_ANNOUNCEMENTS):
        model.apply([Record(place, offset, b"k", announced, [], 0) for place in others])
    after = source(len(odd), "created", entity(id="after"), checkout="after")
    model.apply([after])
    assert "after" in {row["abandoned_checkout_id"] for row in rows(engine, CHECKOUTS)}
    for row in rows(engine, CHECKOUTS):
        assert isinstance(json.loads(row["entity"]), dict)


def test_read_again_from_the_beginning_the_tables_are_the_same_bytes(engine: Engine) -> None:
    whole = simulated(40)
    records = of_whole(whole)
    places = sorted({record.place for record in records})
    begun(engine, places).apply(records)
    expected = everything(engine)
    assert len(expected["checkouts"]) >= 30
    assert expected["announcements"]
    assert expected["rates_history"]
    with engine.begin() as connection:
        reset_positions(connection)
    model = begun(engine, places)
    for start in range(0, len(records), 37):
        model.apply(records[start : start + 37])
    assert everything(engine) == expected


def test_rows_that_are_older_than_the_log_stay(engine: Engine) -> None:
    begun(engine).apply(story("older"))
    with engine.begin() as connection:
        reset_positions(connection)
    begun(engine).apply(story("newer", first=100))
    kept = {row["abandoned_checkout_id"] for row in rows(engine, CHECKOUTS)}
    assert kept == {"older", "newer"}


def test_the_history_keeps_the_last_rates_of_each_hour_longer_than_the_topic(
    engine: Engine,
) -> None:
    records = [
        record for record in of_whole(simulated(60)) if "conversion.v1" in record.place.topic
    ]
    places = sorted({record.place for record in records})
    model = begun(engine, places)
    model.apply(records)
    hours = rows(engine, RATES_HISTORY)
    with engine.begin() as connection:
        reset_positions(connection)
    newest = list({record.key: record for record in records}.values())  # what compaction leaves
    begun(engine, places).apply(newest)
    assert rows(engine, RATES_HISTORY) == hours
    assert {row["instance_id"].encode() for row in rows(engine, SITES)} == {
        record.key for record in newest
    }
    model.forget_rates(before=datetime(9999, 1, 1, tzinfo=UTC))
    assert rows(engine, RATES_HISTORY) == []


def test_announcements_are_kept_with_when_they_were_made(engine: Engine) -> None:
    records = of_whole(simulated(20))
    begun(engine, sorted({record.place for record in records})).apply(records)
    events = [record for record in records if "events.v1" in record.place.topic]
    assert len(rows(engine, ANNOUNCEMENTS)) == len(events)


def test_a_partition_is_as_fresh_as_its_last_record_or_as_it_was_complete(engine: Engine) -> None:
    model = begun(engine)
    model.apply(story())
    assert as_of(engine)[0] == at(3)
    model.apply([], complete={PLACES[0]: Complete(5, T0 + timedelta(days=1))})
    assert as_of(engine)[0] == T0 + timedelta(days=1)
    assert rows(engine, POSITIONS)[0]["next_offset"] == 5


def test_the_migrated_tables_are_those_that_the_code_knows(engine: Engine) -> None:
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415  # of this test only
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415

    assert migrate(engine) == []
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == HEAD


def test_a_database_of_another_release_is_refused_with_what_to_do(engine: Engine) -> None:
    known = require_tables(engine)
    assert require_tables(engine) == known
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for step in (migrate, require_tables):
        with pytest.raises(DatabaseError, match="a newer release made"):
            step(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": HEAD})


def test_a_database_without_tables_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="api --migrate"):
        require_tables(writing_engine(sqlite_database(tmp_path)))


def as_of(engine: Engine) -> list[datetime | None]:
    return [instant_of(row["as_of"]) for row in rows(engine, POSITIONS)]


def simulated(count: int) -> Whole:
    """The topics after some simulated shops."""
    random = Random(7)
    whole = Whole(random)
    platform = Platform(Options(seed=7, sites=3), T0)
    for sending in platform.sendings(past(random, T0, days=3, count=count)):
        whole.post(sending, received_at=max(sending.at, T0 - timedelta(days=4)))
    whole.finish(T0 + timedelta(days=1))
    return whole
