"""What pages are told of changes: over a real socket, by the server of the API process."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from streams.adapters.database.engines import reading_engine
from streams.adapters.ports import free_port
from streams.adapters.topics import EVENTS
from streams.api.access.short_lived import Grant
from streams.api.access.token_list import Token, hash_of
from streams.api.app import create_app
from streams.api.callers import Caller, Scope
from streams.api.live.listeners import Listener
from streams.api.metrics import ApiMetrics
from streams.api.server import http_server
from streams.api.services import make_services
from streams.config import load_settings
from tests.support.api import token_of
from tests.support.databases import PostgreSQL, sqlite_database
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from streams.api.model import Record
    from streams.api.services import Services

SECONDS = 30
HOST = "127.0.0.1"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    if request.param == "sqlite":
        url = sqlite_database(tmp_path_factory.mktemp("live"))
    else:
        server: PostgreSQL = request.getfixturevalue("postgres")
        url = server.new_database()
    world = World(url, held_back=60)
    yield world
    world.engine.dispose()


class Page:
    """What a page has been told so far."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.told: list[tuple[str, Any]] = []
        self._text = ""
        self._chunks = response.aiter_raw()

    async def until(self, name: str, *, count: int = 1) -> list[Any]:
        """Read on until it was told so often of this; what it was told of it."""
        async with asyncio.timeout(SECONDS):
            while len(found := self.of(name)) < count:
                self._take((await anext(self._chunks)).decode())
        return found

    async def until_the_end(self) -> None:
        """Read until there is nothing more."""
        async with asyncio.timeout(SECONDS):
            async for chunk in self._chunks:
                self._take(chunk.decode())

    def of(self, name: str) -> list[Any]:
        return [data for event, data in self.told if event == name]

    def happened(self) -> list[Any]:
        """Checkouts that were abandoned or recovered."""
        return [data for name, data in self.told if name in {"abandonment", "recovery"}]

    def _take(self, text: str) -> None:
        *whole, self._text = (self._text + text).split("\n\n")
        for event in whole:
            fields = dict(line.split(": ", 1) for line in event.split("\n"))
            self.told.append((fields.get("event", ""), json.loads(fields.get("data", "null"))))


class Running:
    """The API on a port of its own; the model is written by the test."""

    def __init__(self, world: World, services: Services, url: str) -> None:
        self.world = world
        self.services = services
        self.url = url

    @asynccontextmanager
    async def page(self, path: str = "/v1/live", *, by: str = "all") -> AsyncIterator[Page]:
        async with (
            httpx.AsyncClient(timeout=SECONDS) as client,
            client.stream(
                "GET", self.url + path, headers={"authorization": token_of(by)}
            ) as response,
        ):
            page = Page(response)
            await page.until("hello")
            await self.listeners(at_least=1)
            yield page

    async def listeners(self, *, at_least: int = 0, at_most: int = 1000) -> None:
        """Wait until so many listen, as the metrics say, and are told of what comes."""
        async with asyncio.timeout(SECONDS):
            while True:
                value = self.services.metrics.registry.get_sample_value(
                    "checkout_recovery_api_listeners"
                )
                is_as_wanted = value is not None and at_least <= value <= at_most
                if is_as_wanted and (self.services.hub.is_watching or not at_least):
                    break
                await asyncio.sleep(0.02)

    def write(self, records: list[Record]) -> None:
        self.world.model.apply(records)
        self.services.hub.wake()


@asynccontextmanager
async def running(world: World, **settings: Any) -> AsyncIterator[Running]:
    given = load_settings(
        **{
            "database_url": world.url,
            "api_tokens": world.tokens,
            "api_secret": "0" * 32,
            "bootstrap_servers": f"{HOST}:1",
            **settings,
        }
    )
    reading = reading_engine(world.url)
    services = make_services(given, reading, ApiMetrics())
    port = free_port(HOST)
    server = http_server(create_app(services, lambda: ""), HOST, port)
    serving = asyncio.create_task(server.serve())
    await asyncio.sleep(0)
    try:
        yield Running(world, services, f"http://{HOST}:{port}")
    finally:
        await services.hub.stop()
        server.stop()  # type: ignore[no-untyped-call]  # granian's embedded server
        await asyncio.wait_for(serving, SECONDS)
        services.desk.close()
        await reading.dispose()


async def test_pages_are_told_of_what_happens_and_of_no_other_sites_things(world: World) -> None:
    own = world.sites[0]
    async with (
        running(world) as api,
        api.page() as everything,
        api.page(by="one") as mine,
        api.page(f"/v1/live?site={own}") as chosen,
    ):
        assert everything.response.headers["content-type"].startswith("text/event-stream")
        assert everything.response.headers["cache-control"] == "no-store"
        records = world.later()
        recovered = announced(records, "checkout.recovered")
        assert len(recovered) > 3
        api.write(records)
        for page in (everything, mine, chosen):
            await page.until("overview")
        for told in await everything.until("recovery"):
            one = recovered[told["abandoned_checkout_id"]]
            assert told["at"] == one["recovered_at"]
            assert told["instance_id"] == one["instance_id"]
            assert told["time_to_recovery_seconds"] == one["time_to_recovery_seconds"]
        for page in (mine, chosen):
            # of its site the same as those are told who see all, and of others nothing
            assert page.happened() == [
                data for data in everything.happened() if data["instance_id"] == own
            ]
        assert mine.of("operations") == []


def announced(records: list[Record], kind: str) -> dict[str, Any]:
    """The lifecycle events of that type by checkout, without staff's."""
    found = [json.loads(one.value or b"") for one in records if one.place.topic == EVENTS]
    return {
        one["abandoned_checkout_id"]: one
        for one in found
        if one["type"] == kind and not one["is_staff"]
    }


async def test_a_page_that_is_closed_is_forgotten(world: World) -> None:
    async with running(world) as api:
        async with api.page(), api.page():
            await api.listeners(at_least=2)
        await api.listeners(at_most=0)


async def test_a_stream_ends_with_its_token(world: World, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(world.tokens)
    left = [one for one in json.loads(world.tokens)["tokens"] if one["name"] != "one"]
    async with (
        running(world, api_tokens=None, api_tokens_file=str(file)) as api,
        api.page(by="one") as page,
    ):
        file.write_text(json.dumps({"tokens": left}))
        await page.until_the_end()


async def test_a_process_that_stops_ends_its_streams_and_takes_no_new_ones(world: World) -> None:
    async with running(world) as api:
        async with api.page() as page:
            api.services.hub.close()
            await page.until_the_end()
        async with httpx.AsyncClient() as client:
            headers = {"authorization": token_of("all")}
            refused = await client.get(f"{api.url}/v1/live", headers=headers)
            assert refused.status_code == 503
            assert refused.headers["retry-after"]


@pytest.mark.parametrize(
    ("path", "by", "status"),
    [("/v1/live", "nobody", 401), ("/v1/live?site=unknown", "all", 404)],
)
async def test_who_may_not_listen_is_told_so(world: World, path: str, by: str, status: int) -> None:
    async with running(world) as api, httpx.AsyncClient() as client:
        reply = await client.get(api.url + path, headers={"authorization": token_of(by)})
        assert reply.status_code == status


async def test_without_kafka_operators_are_told_what_is_missing_and_pages_go_on(
    world: World,
) -> None:
    async with running(world) as api, api.page() as page:
        (first, *_) = await page.until("operations")
        assert first["group_state"] == "unknown"
        assert "Kafka" in first["problem"]
        assert (first["lag"], first["workers"]) == ([], [])
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            headers = {"authorization": token_of("all")}
            asked = await client.get(f"{api.url}/v1/operations", headers=headers)
            assert (asked.status_code, asked.json()["group_state"]) == (200, "unknown")


async def test_one_that_does_not_take_its_events_loses_them_and_is_told_to_ask() -> None:
    token = Token(
        name="t",
        sha256=hash_of("t"),
        sites=frozenset("*"),
        scopes=frozenset({"read"}),
        requests_per_minute=None,
    )
    listener = Listener(Caller("t", None, frozenset({Scope.READ})), Grant(token), None)
    kept = [listener.put(b"event\n\n", instead=b"overview\n\n") for _ in range(101)]
    assert kept == [True] * 100 + [False]
    assert await listener.take(within_seconds=0.1) == b"overview\n\n"
    assert await listener.take(within_seconds=0.01) == b""
    listener.put(b"a", instead=b"")
    listener.put(b"b", instead=b"")
    assert await listener.take(within_seconds=0.1) == b"ab"
    listener.end()
    assert await listener.take(within_seconds=0.1) is None
