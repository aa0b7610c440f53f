"""A token of one site learns nothing of another: its answers are those of a world without it."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.topics import CONVERSION, SOURCE
from streams.api.metrics import ApiMetrics
from streams.api.model import Model, Place
from streams.demo.simulator.platform import Options, Platform, past
from tests.support.api_process import Asked, Reply, listed
from tests.support.builders import T0
from tests.support.databases import sqlite_database
from tests.support.records import of_whole
from tests.support.whole import Whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.api.model import Record

TOKEN = "crt_test-of-one-site"  # noqa: S105  # of tests only
#: Of everything in the answers, only these are new every time.
CHANGING = {"x-wix-request-id"}
BASE = "/ecom/v1/abandoned-checkout"


class World:
    """An API whose model has the given records."""

    def __init__(self, url: str, records: Sequence[Record], site: str) -> None:
        engine = writing_engine(url)
        migrate(engine)
        model = Model(engine, ApiMetrics())
        places = [Place(SOURCE, partition) for partition in range(4)]
        model.begin(sorted({*places, *(record.place for record in records)}))
        model.apply(records)
        engine.dispose()
        self.asked = Asked(url, listed(TOKEN, sites=(site,)), api_requests_per_minute=100_000)
        self._statements: list[str] = []
        event.listen(self.asked.engine.sync_engine, "connect", self._watch)

    def _watch(self, connection: Any, _record: object) -> None:
        connection.run_async(lambda driver: driver.set_trace_callback(self._statements.append))

    def statements(self, method: str, path: str, body: Any = None, **headers: str) -> list[str]:
        """What SQLite is asked for an answer; how far the model is, is asked by the clock.

        Nor do the marks of transactions count: that question has its own.
        """
        self._statements.clear()
        self.answer(method, path, body, **headers)
        marks = {"BEGIN", "ROLLBACK"}
        return [one for one in self._statements if "FROM positions" not in one and one not in marks]

    def answer(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        content = b"" if body is None else json.dumps(body).encode()
        return self.asked.ask(method, path, content, token=TOKEN, **headers)


class Worlds:
    """One with three sites, and one in which there is but the first."""

    def __init__(self, folder: Any) -> None:
        random = Random(11)
        whole = Whole(random)
        platform = Platform(Options(seed=11, sites=3), T0)
        for sending in platform.sendings(past(random, T0, days=3, count=90)):
            whole.post(sending, received_at=sending.at)
        whole.finish(T0 + timedelta(hours=1))
        records = of_whole(whole)
        site_of: dict[str, str] = {}
        for record in records:
            for name, value in record.headers:
                if name == "ce_instanceid" and value and record.key:
                    site_of[record.key.decode()] = value.decode()
        self.sites = sorted(set(site_of.values()))
        self.own = self.sites[0]

        def is_own(record: Record) -> bool:
            key = (record.key or b"").decode()
            return key == self.own if record.place.topic == CONVERSION else site_of[key] == self.own

        self.own_ids = sorted(key for key, site in site_of.items() if site == self.own)
        self.foreign_ids = sorted(key for key, site in site_of.items() if site != self.own)
        self.wix_sites = {
            found["instance_id"]: found["site_id"]
            for record in records
            if record.place.topic == CONVERSION
            for found in [json.loads(record.value or b"{}")]
        }
        mine = [record for record in records if is_own(record)]
        self.whole = World(sqlite_database(folder), records, self.own)
        self.alone = World(sqlite_database(folder), mine, self.own)

    def both(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """The answer, which is the same in both worlds."""
        one = self.whole.answer(method, path, body, **headers)
        other = self.alone.answer(method, path, body, **headers)
        assert one.status == other.status, path
        if one.headers.get("content-type", "").startswith("text/event-stream"):
            return one  # it begins with how new the model is, which is of all sites
        assert without_cursors(one.body) == without_cursors(other.body), path
        kept = {name: value for name, value in one.headers.items() if name not in CHANGING}
        assert kept.keys() == other.headers.keys() - CHANGING
        for name in kept.keys() - {"content-length", "x-checkout-recovery-as-of"}:
            assert kept[name] == other.headers[name], (path, name)
        return one


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    worlds = Worlds(tmp_path_factory.mktemp("worlds"))
    yield worlds
    worlds.whole.asked.close()
    worlds.alone.asked.close()


def without_cursors(body: bytes) -> Any:
    """Cursors are sealed anew each time; that they are there is kept."""
    try:
        found = json.loads(body)
    except ValueError:
        return body
    metadata = found.get("metadata") or found.get("pagingMetadata") or {}
    if "cursors" in metadata:
        metadata["cursors"] = sorted(metadata["cursors"])
    return found


def test_there_is_something_to_hide(worlds: Worlds) -> None:
    assert len(worlds.sites) == 3
    assert len(worlds.own_ids) > 10
    assert len(worlds.foreign_ids) > 10
    everything = worlds.whole.asked.ask("POST", f"{BASE}/query", b"{}")
    assert everything.json["metadata"]["total"] > len(worlds.own_ids)


FILTERS: list[Any] = [
    {},
    {"status": "RECOVERED"},
    {"$not": {"status": "RECOVERED"}},
    {"$or": [{"status": {"$exists": False}}, {"id": {"$exists": True}}]},
    {"buyerInfo.email": {"$contains": "a"}},
    {"buyerInfo.email": {"$ne": None}},
    {"totalPrice.amount": {"$gte": "0"}},
    {"createdDate": {"$gt": "2000-01-01T00:00:00Z"}},
    {"activities.type": {"$hasSome": ["EMAIL_SENT", "SCHEDULED"]}},
    {"appliedDiscounts.coupon.code": {"$isEmpty": False}},
    {"nonsense": 1},
]
SORTS: list[Any] = [
    [],
    [{"fieldName": "totalPrice.amount", "order": "DESC"}],
    [{"fieldName": "buyerInfo.email"}, {"fieldName": "createdDate", "order": "DESC"}],
    [{"fieldName": "status"}],
]


@pytest.mark.parametrize(
    ("filter_", "sort"),
    [(filter_, SORTS[index % len(SORTS)]) for index, filter_ in enumerate(FILTERS)],
)
def test_no_filter_sort_page_or_count_shows_it(worlds: Worlds, filter_: Any, sort: Any) -> None:
    query = {"filter": filter_, "sort": sort}
    found = worlds.both("POST", f"{BASE}/query", {"query": query})
    assert not any(one in found.body.decode() for one in worlds.foreign_ids)
    worlds.both("POST", f"{BASE}/query", {"query": {**query, "paging": {"offset": 3, "limit": 5}}})
    asked = {"query": {**query, "cursorPaging": {"limit": 7}}}
    for name in ("query", "search"):
        body = {name: asked["query"]}
        one = worlds.whole.answer("POST", f"{BASE}/{name}", body)
        other = worlds.alone.answer("POST", f"{BASE}/{name}", body)
        for direction in ("next", "prev"):
            while True:
                assert without_cursors(one.body) == without_cursors(other.body)
                cursors = [cursors_of(reply) for reply in (one, other)]
                if direction not in cursors[0]:
                    break
                one, other = (
                    world.answer(
                        "POST",
                        f"{BASE}/{name}",
                        {name: {"cursorPaging": {"cursor": known[direction], "limit": 7}}},
                    )
                    for world, known in zip((worlds.whole, worlds.alone), cursors, strict=True)
                )


def cursors_of(reply: Reply) -> dict[str, str]:
    body = reply.json
    metadata = body.get("metadata") or body.get("pagingMetadata") or {}
    found: dict[str, str] = metadata.get("cursors", {})
    return found


def test_no_id_of_another_site_is_known_by_any_address(worlds: Worlds) -> None:
    unknown = "ffffffff-0000-4000-8000-000000000000"
    for foreign in (*worlds.foreign_ids[:5], unknown):
        for path in (f"{BASE}/{foreign}", f"/v1/checkouts/{foreign}/timeline"):
            found = worlds.both("GET", path)
            assert found.status == 404
            there = found.body.decode().replace(foreign, "")
            nowhere = worlds.both("GET", path.replace(foreign, unknown)).body.decode()
            assert there == nowhere.replace(unknown, "")
        assert worlds.both("DELETE", f"{BASE}/{foreign}").status == 404
        asked = {"query": {"filter": {"id": foreign}}}
        assert worlds.both("POST", f"{BASE}/query", asked).json["results"] == []
    bulk = {"abandonedCheckoutIds": [*worlds.foreign_ids[:5], unknown]}
    found = worlds.both("POST", "/ecom/v1/bulk/abandoned-checkout/delete", bulk)
    assert found.json["bulkActionMetadata"]["totalSuccesses"] == 0
    assert worlds.both("GET", f"{BASE}/{worlds.own_ids[0]}").status == 200


def test_for_what_is_anothers_and_for_what_is_nowhere_the_database_is_asked_the_same(
    worlds: Worlds,
) -> None:
    unknown = "ffffffff-0000-4000-8000-000000000000"
    other = worlds.sites[1]
    for method, path, body, headers, foreign in (
        ("GET", f"{BASE}/%s", None, {}, worlds.foreign_ids[0]),
        ("GET", f"{BASE}/%s?%%78", None, {}, worlds.foreign_ids[0]),
        ("GET", "/v1/checkouts/%s/timeline", None, {}, worlds.foreign_ids[0]),
        ("DELETE", f"{BASE}/%s", None, {}, worlds.foreign_ids[0]),
        ("POST", f"{BASE}/query", {"query": {"filter": {"id": "%s"}}}, {}, worlds.foreign_ids[0]),
        (
            "POST",
            "/ecom/v1/bulk/abandoned-checkout/delete",
            {"abandonedCheckoutIds": ["%s"]},
            {},
            worlds.foreign_ids[0],
        ),
        ("GET", "/v1/sites/%s/conversion", None, {}, other),
        ("GET", "/v1/sites/%s/conversion", None, {}, worlds.wix_sites[other]),
        ("GET", "/v1/sites/%s/conversion/history", None, {}, other),
        ("GET", f"{BASE}/{worlds.own_ids[0]}", None, {"wix_site_id": "%s"}, other),
        ("POST", f"{BASE}/query", {}, {"wix_site_id": "%s"}, worlds.wix_sites[other]),
    ):
        asked = [
            [
                one.replace(name, "it")
                for one in worlds.whole.statements(
                    method,
                    path % name if "%s" in path else path,
                    json.loads(json.dumps(body).replace("%s", name)),
                    **{header: value % name for header, value in headers.items()},
                )
            ]
            for name in (foreign, unknown)
        ]
        assert asked[0] == asked[1]
        assert any("'it'" in one for one in asked[0]), (path, asked[0])


def test_no_other_site_is_known_by_any_of_its_names(worlds: Worlds) -> None:
    others = [*worlds.sites[1:], *(worlds.wix_sites[site] for site in worlds.sites[1:])]
    for name in (*others, "00000000-0000-4000-8000-00000000dead"):
        for path in (f"/v1/sites/{name}/conversion", f"/v1/sites/{name}/conversion/history"):
            assert worlds.both("GET", path).status == 404
        for method, path in (
            ("POST", f"{BASE}/query"),
            ("GET", f"{BASE}/{worlds.own_ids[0]}"),
            ("GET", "/v1/conversion"),
        ):
            refused = worlds.both(method, path, {} if method == "POST" else None, wix_site_id=name)
            assert refused.status == 403
            assert refused.json["details"]["applicationError"]["code"] == "PERMISSION_DENIED"
    for own in (worlds.own, worlds.own.upper(), worlds.wix_sites[worlds.own]):
        assert worlds.both("POST", f"{BASE}/query", {}, wix_site_id=own).json["results"]


def test_rates_searches_and_figures_are_of_the_own_site_only(worlds: Worlds) -> None:
    found = worlds.both("GET", "/v1/conversion")
    assert [one["instance_id"] for one in found.json["sites"]] == [worlds.own]
    for sort in ("site", "-matured", "as_of", "-abandoned"):
        worlds.both("GET", f"/v1/conversion?sort={sort}&limit=1&offset=1")
    worlds.both("GET", f"/v1/sites/{worlds.own}/conversion")
    worlds.both("GET", f"/v1/sites/{worlds.own}/conversion/history?from=2026-02-01T00:00:00Z")
    for identifier in worlds.own_ids[:5]:
        worlds.both("GET", f"/v1/checkouts/{identifier}/timeline")
    for expression in ("a", "mail.example", "an er"):
        asked = {"search": {"search": {"expression": expression}}}
        worlds.both("POST", f"{BASE}/search", asked)
    days = {"startDate": "2026-01-01", "endDate": "2026-12-31"}
    figures = worlds.both("POST", f"{BASE}/get-analytics", days).json
    assert figures["recoverableCheckoutCount"] + figures["recoveredCheckoutCount"] == len(
        worlds.both("POST", f"{BASE}/query", {"query": {"paging": {"limit": 100}}}).json["results"]
    )


@pytest.mark.parametrize("window", ["1h", "24h", "7d", "30d"])
def test_the_page_is_of_the_own_site_only(worlds: Worlds, window: str) -> None:
    own = worlds.both("GET", f"/v1/sites/{worlds.own}/conversion").json
    overview = worlds.both("GET", "/v1/overview").json
    assert overview["sites"] == 1
    for mine, published in zip(overview["windows"], own["windows"], strict=True):
        assert {**mine, "time_to_recovery": None} == {**published, "time_to_recovery": None}
    for name in (worlds.own, worlds.wix_sites[worlds.own]):
        assert worlds.both("GET", f"/v1/overview?site={name}").json["windows"] == own["windows"]
    for path in ("series", "recovery-times"):
        worlds.both("GET", f"/v1/overview/{path}?window={window}")
        worlds.both("GET", f"/v1/overview/{path}?window={window}&site={worlds.own}")
    recent = worlds.both("GET", "/v1/overview/recent?limit=100").json["recoveries"]
    assert recent
    assert {one["instance_id"] for one in recent} == {worlds.own}


def test_the_page_knows_no_other_site_by_any_of_its_names(worlds: Worlds) -> None:
    unknown = "00000000-0000-4000-8000-00000000dead"
    others = [*worlds.sites[1:], *(worlds.wix_sites[site] for site in worlds.sites[1:])]
    for name in (*others, unknown):
        for path in ("", "/series", "/recovery-times", "/recent"):
            assert worlds.both("GET", f"/v1/overview{path}?site={name}").status == 404
        assert worlds.both("GET", f"/v1/live?site={name}").status == 404
        for length in (1, 2, 8, 36):
            found = worlds.both("GET", f"/v1/overview/sites?search={name[:length]}").json["sites"]
            assert {one["instance_id"] for one in found} <= {worlds.own}
    found = worlds.both("GET", f"/v1/overview/sites?search={worlds.own[:8].upper()}").json["sites"]
    assert [one["instance_id"] for one in found] == [worlds.own]
    assert worlds.both("GET", "/v1/operations").status == 403
    assert worlds.both("GET", "/v1/live").status == 200  # what it tells: see test_live


def test_a_cursor_of_another_caller_is_of_no_use(worlds: Worlds) -> None:
    asked = {"query": {"cursorPaging": {"limit": 1}}}
    everything = worlds.whole.asked.ask("POST", f"{BASE}/query", json.dumps(asked).encode())
    stolen = {"query": {"cursorPaging": {"cursor": cursors_of(everything)["next"]}}}
    assert worlds.both("POST", f"{BASE}/query", stolen).status == 400


def test_every_address_of_the_api_was_tried(worlds: Worlds) -> None:
    document = worlds.both("GET", "/openapi.json").json
    tried = {
        f"{BASE}/{{abandoned_checkout_id}}",
        f"{BASE}/query",
        f"{BASE}/search",
        f"{BASE}/get-analytics",
        "/ecom/v1/bulk/abandoned-checkout/delete",
        "/v1/checkouts/{checkout_id}/timeline",
        "/v1/conversion",
        "/v1/sites/{site}/conversion",
        "/v1/sites/{site}/conversion/history",
        "/v1/overview",
        "/v1/overview/series",
        "/v1/overview/recovery-times",
        "/v1/overview/recent",
        "/v1/overview/sites",
        "/v1/operations",
        "/v1/live",
    }
    without_sites = {"/oauth2/token", f"{BASE}/{{abandoned_checkout_id}}/redirect-to-checkout"}
    found = {path.replace("{checkout_id}", "{abandoned_checkout_id}") for path in document["paths"]}
    known = {path.replace("{checkout_id}", "{abandoned_checkout_id}") for path in tried}
    assert found == known | without_sites
