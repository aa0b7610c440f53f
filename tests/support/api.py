"""The API in the test's own process, over a real database with the checkouts of a test."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import delete, insert

from streams.adapters.database.engines import reading_engine, writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.database.tables import CHECKOUTS
from streams.api.access.token_list import hash_of
from streams.api.app import create_app
from streams.api.metrics import ApiMetrics
from streams.api.rows import row_of
from streams.api.services import make_services
from streams.config import load_settings
from streams.domain.knowledge import advance
from tests.support.builders import SITE, T0, entity, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streams.api.services import Services
    from streams.domain.knowledge import Knowledge

CHECKOUTS_URL = "/ecom/v1/abandoned-checkout"
EVERYTHING = ("read", "read:personal", "delete")
SECRET = "a secret of the tests, long enough for all of them"  # noqa: S105  # of tests only


def guid(number: int) -> str:
    """A checkout id of the tests."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def token_of(name: str) -> str:
    """The token of that name; no other test of the run could know it by chance."""
    return f"crt_{name}"


def tokens(*entries: tuple[str, Sequence[str], Sequence[str]], **more: Any) -> str:
    """A list of tokens: name, sites, scopes."""
    return json.dumps(
        {
            "tokens": [
                {
                    "name": name,
                    "sha256": hash_of(token_of(name)),
                    "sites": list(sites),
                    "scopes": list(scopes),
                    **more,
                }
                for name, sites, scopes in entries
            ]
        }
    )


def checkout(
    number: int,
    *,
    site: str = SITE,
    slugs: Sequence[str] = ("created",),
    anonymize: bool = False,
    **changes: Any,
) -> dict[str, Any]:
    """The row of a checkout of which these events were received."""
    knowledge: Knowledge | None = None
    for index, slug in enumerate(slugs):
        said = event(
            slug,
            None if slug == "deleted" else entity(id=guid(number), **changes),
            event_id=f"e-{number}-{index}",
            when=T0,
            site=site,
            sequence=index,
            anonymize=anonymize and index == len(slugs) - 1,
        )
        knowledge = advance(knowledge, said)
    assert knowledge is not None
    return row_of(guid(number), knowledge)


@dataclass
class Api:
    """The application and its database."""

    client: httpx.AsyncClient
    url: str
    services: Services

    @property
    def metrics(self) -> ApiMetrics:
        return self.services.metrics

    def store(self, *rows: dict[str, Any]) -> None:
        """Let the model have these checkouts too."""
        engine = writing_engine(self.url)
        with engine.begin() as connection:
            connection.execute(insert(CHECKOUTS), list(rows))
        engine.dispose()

    async def get(self, path: str, *, by: str | None = "all", **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=_headers(by, headers))

    async def post(
        self, path: str, body: Any, *, by: str | None = "all", **headers: str
    ) -> httpx.Response:
        return await self.client.post(path, json=body, headers=_headers(by, headers))

    async def query(
        self, query: dict[str, Any], *, by: str | None = "all", **headers: str
    ) -> httpx.Response:
        return await self.post(f"{CHECKOUTS_URL}/query", {"query": query}, by=by, **headers)


@asynccontextmanager
async def running_api(
    url: str, token_list: str, *, is_emptied: bool = True, **settings: Any
) -> AsyncIterator[Api]:
    """The API over a database."""
    engine = writing_engine(url)
    migrate(engine)
    if is_emptied:
        with engine.begin() as connection:
            connection.execute(delete(CHECKOUTS))
    engine.dispose()
    given = load_settings(
        **{
            "database_url": url,
            "api_tokens": token_list,
            "api_secret": SECRET,
            **settings,
        }
    )
    reading = reading_engine(url)
    metrics = ApiMetrics()
    services = make_services(given, reading, metrics)
    app = create_app(services, lambda: "")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
        yield Api(client, url, services)
    await services.hub.stop()
    services.desk.close()
    await reading.dispose()


def _headers(by: str | None, more: dict[str, str]) -> dict[str, str]:
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    return headers if by is None else {"authorization": token_of(by), **headers}
