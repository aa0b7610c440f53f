"""The page's numbers: one site's are its record's, all sites' are their sums, on both databases."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from sqlalchemy import create_engine, select, text

from streams.adapters.database.engines import reading_engine, writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.database.tables import ACTIVITY, CHECKOUTS, POSITIONS, RECOVERY_TIMES
from streams.adapters.instants import format_instant, read_instant
from streams.adapters.topics import CONVERSION
from streams.api.callers import Caller, Scope
from streams.api.metrics import ApiMetrics
from streams.api.model import Model, Place, Record
from streams.api.model.positions import reset_positions
from streams.api.overview.sums import Sums, read_numbers
from streams.api.overview.totals import Totals
from streams.api.rows import knowledge_of_row
from streams.domain.contributions import contribution_of
from streams.domain.histogram import bin_of
from streams.domain.rates import ratio, share
from tests.support.api_process import Asked
from tests.support.builders import T0
from tests.support.databases import PostgreSQL, sqlite_database
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.domain.contributions import Contribution

SEGMENTS = (
    (),
    ("by_stage", "cart"),
    ("by_stage", "checkout"),
    ("reachable",),
    ("unreachable",),
    ("touched",),
    ("untouched",),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    if request.param == "sqlite":
        url = sqlite_database(tmp_path_factory.mktemp("overview"))
    else:
        server: PostgreSQL = request.getfixturevalue("postgres")
        url = server.new_database()
    world = World(url)
    yield world
    world.engine.dispose()


@pytest.fixture(scope="module")
def asked(world: World) -> Iterator[Asked]:
    asked = Asked(world.url)
    yield asked
    asked.close()


def contributions(world: World) -> list[Contribution]:
    """Of every checkout that counts, read off its row."""
    with world.engine.connect() as connection:
        rows = connection.execute(select(CHECKOUTS.c.entity, CHECKOUTS.c.knowledge)).all()
    found = [contribution_of(knowledge_of_row(entity, known)) for entity, known in rows]
    return [one for one in found if one is not None and not one.is_staff]


def part(window: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        window = window[name]
    return window


def test_one_sites_overview_is_its_record(world: World, asked: Asked) -> None:
    for site in world.sites:
        record = world.newest(site)
        found = asked.get(f"/v1/overview?site={record['site_id']}").json
        assert found == {
            "as_of": record["as_of"],
            "site": {"instance_id": site, "site_id": record["site_id"]},
            "sites": 1,
            "excluded_staff": record["excluded_staff"],
            "unpriced": record["unpriced"],
            "windows": record["windows"],
        }


def test_all_sites_are_summed_and_their_rates_made_of_the_sums(world: World, asked: Asked) -> None:
    found = asked.get("/v1/overview").json
    records = [world.newest(site) for site in world.sites]
    assert (found["site"], found["sites"]) == (None, 3)
    assert found["as_of"] == max(record["as_of"] for record in records)
    assert found["excluded_staff"] == sum(record["excluded_staff"] for record in records)
    for number, window in enumerate(found["windows"]):
        ours = [record["windows"][number] for record in records]
        for path in SEGMENTS:
            for kind in ("cohort", "matured"):
                parts = [part(one, path)[kind] for one in ours]
                abandoned = sum(one["abandoned"] for one in parts)
                recovered = sum(one["recovered"] for one in parts)
                expected = share(abandoned, recovered)
                mine = part(window, path)[kind]
                assert (mine["abandoned"], mine["recovered"]) == (abandoned, recovered)
                assert [mine[name] for name in ("rate", "low", "high")] == [
                    None if value is None else f"{value:f}"
                    for value in (expected.rate, expected.low, expected.high)
                ]
        flow = Counter[str]()
        for one in ours:
            flow.update({name: one["flow"][name] for name in ("abandoned", "recovered")})
        of_flow = ratio(flow["recovered"], flow["abandoned"])
        assert window["flow"]["ratio"] == (None if of_flow is None else f"{of_flow:f}")
        for value in window["money"]:
            in_currency = [
                item
                for one in ours
                for item in one["money"]
                if item["currency"] == value["currency"]
            ]
            for name in ("abandoned", "recovered", "open"):
                total = sum(round(float(item[name]) * 100) for item in in_currency)
                assert round(float(value[name]) * 100) == total
    currencies = {value["currency"] for value in found["windows"][-1]["money"]}
    assert len(currencies) > 1, "nothing would show that they are not added"


async def test_sums_follow_records_also_while_a_rebuild_is_under_way(
    world: World, tmp_path: Path
) -> None:
    url = sqlite_database(tmp_path)
    engine, reading = writing_engine(url), reading_engine(url)
    migrate(engine)
    model = Model(engine, ApiMetrics())
    places = sorted({record.place for record in world.records})
    rates = [record for record in world.records if record.place.topic == CONVERSION]
    totals = Totals(reading, kept_seconds=0)
    everybody = Caller("all", None, frozenset(Scope))

    async def cohort() -> int:
        total = await totals.of(everybody)
        windows = orjson.loads(total.sums.encode(total.frames, {}))
        return int(windows[-1]["cohort"]["abandoned"]) if windows else 0

    def expected(records: list[Record]) -> int:
        newest = {record.key: json.loads(record.value or b"") for record in records}
        return sum(one["windows"][-1]["cohort"]["abandoned"] for one in newest.values())

    model.begin(places)
    assert await cohort() == 0
    for start in range(0, len(rates), 25):
        model.apply(rates[start : start + 25])
        assert await cohort() == expected(rates[: start + 25])
    with engine.begin() as connection:
        reset_positions(connection)
    model.begin(places)
    assert await cohort() == expected(rates)
    half = len(rates) // 2
    model.apply(rates[:half])
    await cohort()
    model.apply(rates[half:])
    assert await cohort() == expected(rates)
    await reading.dispose()
    engine.dispose()


def test_sites_that_come_and_go_leave_no_trace_in_sums(world: World) -> None:
    numbers = [read_numbers(json.dumps(world.newest(site))) for site in world.sites]
    sums, others = Sums(), Sums()
    for one in numbers:
        sums.add(one)
    for one in numbers[:-1]:
        others.add(one)
    sums.subtract(numbers[-1])
    assert sums == others


@pytest.mark.parametrize(("window", "days"), [("7d", 7), ("30d", 30)])
def test_a_series_adds_up_to_the_record(world: World, asked: Asked, window: str, days: int) -> None:
    for site in world.sites:
        record = next(one for one in world.newest(site)["windows"] if one["window"] == window)
        found = asked.get(f"/v1/overview/series?site={site}&window={window}").json
        points = found["points"]
        assert len(points) * found["bucket_seconds"] == days * 86_400
        assert len(points) <= 170
        assert points[0]["start"] == record["from"]
        sums = {
            name: sum(point[name] for point in points)
            for name in ("abandoned", "recovered", "recoveries")
        }
        assert sums == {
            "abandoned": record["cohort"]["abandoned"],
            "recovered": record["cohort"]["recovered"],
            "recoveries": record["flow"]["recovered"],
        }


def test_a_series_of_all_sites_is_counted_of_the_checkouts_themselves(
    world: World, asked: Asked
) -> None:
    found = asked.get("/v1/overview/series?window=30d").json
    end = read_instant(asked.get("/v1/overview").json["windows"][-1]["to"]) or T0
    bucket = timedelta(seconds=found["bucket_seconds"])
    expected: Counter[tuple[str, str]] = Counter()
    for one in contributions(world):
        for name, at in (("abandoned", one.abandoned_at), ("recoveries", one.recovered_at)):
            if at is not None:
                start = format_instant(end + (at - end) // bucket * bucket)
                expected[name, start] += 1
    for point in found["points"]:
        for name in ("abandoned", "recoveries"):
            assert point[name] == expected[name, point["start"]], (name, point["start"])
    assert sum(point["abandoned"] for point in found["points"]) > 50


def test_times_to_recovery_are_those_of_the_record(world: World, asked: Asked) -> None:
    for site in world.sites:
        for window in world.newest(site)["windows"][2:]:
            path = f"/v1/overview/recovery-times?site={site}&window={window['window']}"
            found = asked.get(path).json
            published = window["time_to_recovery"]
            assert {name: found[name] for name in published} == published
            assert sum(bucket["count"] for bucket in found["buckets"]) == published["count"]
            bounds = [bucket["from_seconds"] for bucket in found["buckets"]]
            assert bounds == sorted(bounds)
            assert [bucket["to_seconds"] for bucket in found["buckets"]] == [*bounds[1:], None]


def test_percentiles_of_all_sites_are_of_all_recoveries_together(
    world: World, asked: Asked
) -> None:
    window = asked.get("/v1/overview").json["windows"][-1]
    times = sorted(
        seconds
        for one in contributions(world)
        if (seconds := one.recovery_seconds()) is not None
        and one.recovered_at is not None
        and window["from"] <= format_instant(one.recovered_at) < window["to"]
    )
    found = window["time_to_recovery"]
    assert found["count"] == len(times)
    median = times[(len(times) + 1) // 2 - 1]
    assert bin_of(found["p50_seconds"]) == bin_of(median)


def test_the_latest_recoveries_come_first_and_hold_nothing_personal(
    world: World, asked: Asked
) -> None:
    found = asked.get("/v1/overview/recent?limit=10").json["recoveries"]
    instants = sorted(
        (one.recovered_at for one in contributions(world) if one.recovered_at is not None),
        reverse=True,
    )
    assert [one["at"] for one in found] == [format_instant(at) for at in instants[:10]]
    assert set(found[0]) == {
        "at",
        "abandoned_checkout_id",
        "instance_id",
        "total",
        "time_to_recovery_seconds",
    }
    for site in world.sites:
        path = f"/v1/overview/recent?limit=5&site={site}"
        ours = asked.get(path).json["recoveries"]
        assert {one["instance_id"] for one in ours} == {site}


def test_sites_are_found_by_the_beginning_of_either_name(world: World, asked: Asked) -> None:
    everything = asked.get("/v1/overview/sites").json["sites"]
    assert {one["instance_id"] for one in everything} == set(world.sites)
    abandoned = [one["abandoned"] for one in everything]
    assert abandoned == sorted(abandoned, reverse=True)
    record = world.newest(world.sites[0])
    for search in (record["instance_id"][:9], record["site_id"][:9].upper(), record["site_id"]):
        found = asked.get(f"/v1/overview/sites?search={search}").json["sites"]
        assert found == [
            {
                "instance_id": record["instance_id"],
                "site_id": record["site_id"],
                "abandoned": record["windows"][-1]["cohort"]["abandoned"],
                "recovered": record["windows"][-1]["cohort"]["recovered"],
            }
        ]
    for odd in ("%25", "_", "'", "z" * 64, "%F0%9F%9B%92"):
        assert asked.get(f"/v1/overview/sites?search={odd}").json["sites"] == []


@pytest.mark.parametrize(
    "query", ["series?window=2h", "recovery-times?window=x", "recent?limit=0", "recent?limit=1000"]
)
def test_what_is_wrong_in_a_question_of_the_page_is_named(asked: Asked, query: str) -> None:
    reply = asked.get(f"/v1/overview/{query}")
    violations = reply.json["details"]["validationError"]["fieldViolations"]
    assert (reply.status, len(violations)) == (400, 1)


def test_without_any_record_the_overview_is_empty_and_no_error(tmp_path: Path) -> None:
    url = sqlite_database(tmp_path)
    engine = writing_engine(url)
    migrate(engine)
    engine.dispose()
    with closing(Asked(url)) as api:
        found = api.get("/v1/overview").json
        assert (found["as_of"], found["sites"], found["windows"]) == (None, 0, [])
        assert api.get("/v1/overview/series").json["points"] == []
        times = api.get("/v1/overview/recovery-times").json
        assert (times["count"], times["p50_seconds"]) == (0, None)
        assert api.get("/v1/overview/recent").json == {"recoveries": []}
        assert api.get("/v1/overview/sites").json == {"sites": []}


def counted(world: World) -> dict[str, Counter[Any]]:
    """The tables of hours, without partitions."""
    found: dict[str, Counter[Any]] = {"activity": Counter(), "times": Counter()}
    with world.engine.connect() as connection:
        for row in connection.execute(select(ACTIVITY)).mappings():
            for name in ("abandoned", "recovered", "recoveries"):
                found["activity"][row["instance_id"], row["hour"], name] += row[name]
        for row in connection.execute(select(RECOVERY_TIMES)).mappings():
            found["times"][row["instance_id"], row["hour"], row["bin"]] += row["count"]
    return {name: +counts for name, counts in found.items()}


def test_read_again_from_the_beginning_the_hours_stay_as_they_are(world: World) -> None:
    before = counted(world)
    with world.engine.begin() as connection:
        kept = connection.execute(select(POSITIONS)).mappings().all()
        reset_positions(connection)
    again = Model(world.engine, ApiMetrics())
    again.begin(sorted({Place(row["topic"], row["partition"]) for row in kept}))
    again.apply(world.records)
    assert counted(world) == before


def test_a_database_of_the_first_release_gets_the_hours_of_its_checkouts(
    world: World, tmp_path: Path
) -> None:
    """The tables are taken back to step 1, with their rows, and migrated again."""
    if world.engine.dialect.name != "sqlite":
        pytest.skip("the fill is plain SQL; PostgreSQL's tables are shared by the module")
    before = counted(world)
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(copy)) as target, world.engine.connect() as connection:
        connection.connection.driver_connection.backup(target)  # type: ignore[union-attr]  # SQLite's
    raw = create_engine(f"sqlite:///{copy}")
    with raw.begin() as connection:
        for table in ("activity", "recovery_times", "traffic"):
            connection.execute(text(f"DROP TABLE {table}"))
        for index in (
            "announcements_partition_offset",
            "checkouts_instance_id_recovered_at",
            "checkouts_recovered_at",
            "sites_partition_offset",
        ):
            connection.execute(text(f"DROP INDEX ix_{index}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    raw.dispose()
    engine = writing_engine(f"sqlite:///{copy}")
    assert migrate(engine) == ["0002"]
    old = world.engine
    world.engine = engine
    after = counted(world)
    world.engine = old
    engine.dispose()
    assert after == before


def test_hours_of_long_ago_are_forgotten(world: World, tmp_path: Path) -> None:
    url = sqlite_database(tmp_path)
    engine = writing_engine(url)
    migrate(engine)
    model = Model(engine, ApiMetrics())
    model.begin(sorted({record.place for record in world.records}))
    model.apply(world.records)
    model.forget_rates(before=datetime.now(UTC))
    with engine.connect() as connection:
        assert connection.execute(select(ACTIVITY)).first() is None
        assert connection.execute(select(RECOVERY_TIMES)).first() is None
    engine.dispose()
