"""The rates, a checkout's timeline and what holds for every request, asked over ASGI."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from streams.adapters.database.columns import instant_of
from streams.adapters.database.tables import RATES_HISTORY
from streams.adapters.instants import format_instant, read_instant
from streams.adapters.topics import SOURCE
from streams.api.model import Complete
from streams.api.periods import Granularity, beginning
from tests.support.api import Api, running_api, token_of
from tests.support.builders import CHECKOUT, SITE, T0, at
from tests.support.databases import PostgreSQL, sqlite_database
from tests.support.records import story
from tests.support.world import PLACES, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

AUTHORIZED = {"authorization": token_of("all")}
AS_OF = "x-checkout-recovery-as-of"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    if request.param == "sqlite":
        url = sqlite_database(tmp_path_factory.mktemp("world"))
    else:
        server: PostgreSQL = request.getfixturevalue("postgres")
        url = server.new_database()
    world = World(url)
    yield world
    world.engine.dispose()


@pytest.fixture
async def asked(world: World) -> AsyncIterator[Api]:
    async with running_api(world.url, world.tokens, is_emptied=False) as running:
        yield running


def table(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode())))


async def test_the_newest_rates_of_a_site_are_the_record_as_it_was_published(
    world: World, asked: Api
) -> None:
    for site in world.sites:
        reply = await asked.get(f"/v1/sites/{site}/conversion")
        assert (reply.status_code, reply.json()) == (200, world.newest(site))


async def test_a_site_is_found_by_wixs_own_id_too(world: World, asked: Api) -> None:
    record = world.newest(world.sites[0])
    assert record["site_id"]
    reply = await asked.get(f"/v1/sites/{record['site_id'].upper()}/conversion?window=24h")
    assert reply.json() == {**record, "windows": [record["windows"][1]]}


async def test_rates_as_csv_have_a_row_for_each_window(world: World, asked: Api) -> None:
    record = world.newest(world.sites[0])
    reply = await asked.get(f"/v1/sites/{world.sites[0]}/conversion", accept="text/csv")
    assert reply.headers["content-type"].startswith("text/csv")
    rows = table(reply.content)
    assert [row["window"] for row in rows] == ["1h", "24h", "7d", "30d"]
    assert [row["cohort_abandoned"] for row in rows] == [
        str(window["cohort"]["abandoned"]) for window in record["windows"]
    ]
    assert rows[-1]["flow_ratio"] == record["windows"][-1]["flow"]["ratio"]


@pytest.mark.parametrize("granularity", ["hour", "day", "week"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
async def test_the_history_has_the_last_numbers_of_each_period(
    world: World, asked: Api, granularity: str, zone: str
) -> None:
    site = world.sites[1]
    reply = await asked.get(
        f"/v1/sites/{site}/conversion/history?granularity={granularity}&tz={zone}&window=7d"
        f"&from={format_instant(T0 - timedelta(days=30))}&to={format_instant(at(days=2))}"
    )
    expected: dict[str, dict[str, Any]] = {}
    with world.engine.connect() as connection:
        columns = RATES_HISTORY.c
        rows = connection.execute(
            select(columns.as_of, columns.cohort_abandoned)
            .where(columns.instance_id == site, columns.window == "7d")
            .order_by(columns.hour)
        ).all()
    for as_of, abandoned in rows:
        instant = instant_of(as_of) or T0
        start = beginning(instant, Granularity(granularity), ZoneInfo(zone)).isoformat()
        expected[start] = {"as_of": format_instant(instant), "abandoned": abandoned}
    points = reply.json()["points"]
    assert {
        point["start"]: {"as_of": point["as_of"], "abandoned": point["cohort"]["abandoned"]}
        for point in points
    } == expected
    assert len(points) > 1


def test_a_day_of_a_time_zone_begins_at_its_midnight_also_when_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for instant, day in (
        ("2026-03-29T00:30:00Z", "2026-03-29T00:00:00+01:00"),
        ("2026-03-29T12:00:00Z", "2026-03-29T00:00:00+01:00"),
        ("2026-10-24T22:30:00Z", "2026-10-25T00:00:00+02:00"),
        ("2026-10-25T12:00:00Z", "2026-10-25T00:00:00+02:00"),
    ):
        found = beginning(read_instant(instant) or T0, Granularity.DAY, berlin)
        assert found.isoformat() == day
    twice = [read_instant(f"2026-10-25T0{hour}:30:00Z") or T0 for hour in (0, 1)]
    hours = {beginning(hour, Granularity.HOUR, berlin).isoformat() for hour in twice}
    assert hours == {"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"}


async def test_all_sites_are_sorted_and_paged(world: World, asked: Api) -> None:
    pages = [
        (
            await asked.get(f"/v1/conversion?window=30d&sort=-abandoned&limit=2&offset={offset}")
        ).json()
        for offset in (0, 2)
    ]
    sites = [site for page in pages for site in page["sites"]]
    assert {site["instance_id"] for site in sites} == set(world.sites)
    counts = [site["cohort"]["abandoned"] for site in sites]
    assert counts == sorted(counts, reverse=True)
    assert pages[1]["paging"] == {"limit": 2, "offset": 2, "count": 1, "total": 3}
    for site in sites:
        assert site["cohort"] == world.newest(site["instance_id"])["windows"][3]["cohort"]


async def test_a_token_of_one_site_sees_the_rates_of_no_other(world: World, asked: Api) -> None:
    first, second, _ = world.sites
    everything = (await asked.get("/v1/conversion", by="one")).json()
    assert [site["instance_id"] for site in everything["sites"]] == [first]
    assert everything["paging"]["total"] == 1
    for path in ("conversion", "conversion/history"):
        assert (await asked.get(f"/v1/sites/{first}/{path}", by="one")).status_code == 200
        hidden = await asked.get(f"/v1/sites/{second}/{path}", by="one")
        unknown = await asked.get(f"/v1/sites/{'0' * 8}/{path}", by="one")
        assert (hidden.status_code, hidden.content) == (404, unknown.content)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("conversion?window=2h", "window"),
        ("conversion/history?tz=Mars/Olympus", "tz"),
        ("conversion/history?tz=../../etc/passwd", "tz"),
        ("conversion/history?granularity=minute", "granularity"),
        ("conversion/history?from=yesterday", "from"),
        ("conversion/history?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "from"),
        ("conversion/history?from=0001-01-01T00:00:00Z&to=9999-12-31T00:00:00Z", "from"),
    ],
)
async def test_what_is_wrong_in_a_question_for_rates_is_named(
    world: World, asked: Api, query: str, field: str
) -> None:
    reply = await asked.get(f"/v1/sites/{world.sites[0]}/{query}")
    violations = reply.json()["details"]["validationError"]["fieldViolations"]
    assert (reply.status_code, [one["field"] for one in violations]) == (400, [field])


async def test_a_timeline_tells_what_came_what_it_changed_and_what_was_announced(
    world: World, asked: Api
) -> None:
    recovered = next(
        json.loads(record.value or b"")
        for record in world.records
        if b'"checkout.recovered"' in (record.value or b"")
    )
    checkout = recovered["abandoned_checkout_id"]
    timeline = (await asked.get(f"/v1/checkouts/{checkout}/timeline")).json()
    assert timeline["status"] == "RECOVERED"
    source = [record for record in world.records if record.key == checkout.encode()]
    entries = timeline["entries"]
    assert [entry["position"] for entry in entries if entry["what"] == "received"] == [
        f"{record.place.topic}-{record.place.partition}-{record.offset}"
        for record in source
        if record.place.topic == SOURCE
    ]
    announced = [entry for entry in entries if entry["what"] == "announced"]
    assert [entry["revision"] for entry in announced] == list(range(1, len(announced) + 1))
    for entry in announced:
        before = entries[: entries.index(entry)]
        assert entry["source_event_id"] in {item["event_id"] for item in before}
    assert entries[0]["effect"] == "first"


async def test_a_timeline_is_of_the_callers_sites_only(world: World, asked: Api) -> None:
    world.model.apply([record._replace(offset=record.offset + 10_000) for record in story()])
    path = f"/v1/checkouts/{CHECKOUT}/timeline"
    whole = await asked.get(path)
    assert whole.json()["instance_id"] == SITE
    assert "ada@mail.example" not in whole.text
    hidden = await asked.get(path, by="one")
    assert hidden.status_code == 404
    assert hidden.content == (await asked.get("/v1/checkouts/none/timeline", by="one")).content


async def test_every_answer_says_up_to_when_it_is_complete(world: World, asked: Api) -> None:
    instant = T0 + timedelta(days=3)
    world.model.apply([], complete={place: Complete(20_000, instant) for place in PLACES})
    await asyncio.sleep(0.3)  # what is known of it is kept so long
    reply = await asked.get("/v1/conversion")
    assert reply.headers[AS_OF] == format_instant(instant)


async def test_readiness_tells_how_old_the_model_is(world: World, asked: Api) -> None:
    instant = datetime.now(UTC) - timedelta(hours=1)
    world.model.apply([], complete={place: Complete(20_000, instant) for place in PLACES})
    reply = await asked.get("/readyz", by=None)
    assert reply.status_code == 200
    assert 3_599 < reply.json()["model_age_seconds"] < 3_700


async def test_a_position_that_is_reached_is_answered_at_once_and_another_after_two_seconds(
    world: World,
    asked: Api,
) -> None:
    world.model.apply([], complete={place: Complete(20_000, T0) for place in PLACES})
    path = "/v1/conversion?min_position="
    assert (await asked.get(f"{path}{SOURCE}-0-19999")).status_code == 200
    started = time.monotonic()
    reply = await asked.get(f"{path}{SOURCE}-0-20000")
    assert 1.9 < time.monotonic() - started < 30
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "1"
    assert reply.json()["details"]["applicationError"]["code"] == "POSITION_NOT_REACHED"
    for wrong in (
        "x",
        "other.topic-0-1",
        f"{SOURCE}-0-",
        f"{SOURCE}-a-1",
        f"{SOURCE}-0-{'9' * 30}",
    ):
        assert (await asked.get(path + wrong)).status_code == 400


async def test_without_a_token_nothing_is_told(world: World, asked: Api) -> None:
    paths = [path for path in (await document(asked))["paths"] if "redirect" not in path]
    for path in paths:
        for method in (await document(asked))["paths"][path]:
            if path == "/oauth2/token":
                continue
            reply = await asked.client.request(method.upper(), path)
            assert reply.status_code == 401, path
            assert reply.json()["details"]["applicationError"]["code"] == "UNAUTHENTICATED"


async def test_bodies_and_queries_are_bounded_and_headers_are_safe(
    world: World, asked: Api
) -> None:
    query = "/ecom/v1/abandoned-checkout/query"
    streamed = await asked.client.post(query, content=_chunks(300), headers=AUTHORIZED)
    assert streamed.status_code == 413
    declared = await asked.client.post(query, content=b" " * 300_000, headers=AUTHORIZED)
    assert declared.status_code == 413
    assert (await asked.get("/v1/conversion?x=" + "y" * 9_000)).status_code == 414
    reply = await asked.get("/v1/nothing")
    assert reply.json()["details"]["applicationError"]["code"] == "NOT_FOUND"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    assert "access-control-allow-origin" not in reply.headers


async def test_the_page_of_docs_names_every_endpoint_and_needs_no_script(
    world: World, asked: Api
) -> None:
    page = (await asked.get("/docs", by=None)).text
    for path in (await document(asked))["paths"]:
        assert path in page
    assert "<script" not in page


async def _chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 1_000


async def document(asked: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await asked.get("/openapi.json", by=None)).json()
    return found
