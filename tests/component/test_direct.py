"""The two requests that go round FastAPI get the answers that it would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.api import (
    CHECKOUTS_URL,
    EVERYTHING,
    Api,
    checkout,
    guid,
    running_api,
    token_of,
    tokens,
)
from tests.support.builders import OTHER_SITE, SITE
from tests.support.databases import PostgreSQL, sqlite_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

TOKENS = tokens(
    ("all", ["*"], EVERYTHING),
    ("plain", ["*"], ["read"]),
    ("deleter", ["*"], ["delete"]),
    ("one", [SITE, "another-site"], EVERYTHING),
    ("nothing", ["no-such-site"], EVERYTHING),
)
QUERY = f"{CHECKOUTS_URL}/query"
#: What is escaped goes the long way, and means nothing.
LONG = "%78=1"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return sqlite_database(tmp_path_factory.mktemp("api"))
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url, TOKENS) as running:
        running.store(
            checkout(1), checkout(2, site=OTHER_SITE), checkout(3, slugs=["created", "deleted"])
        )
        yield running


async def both(api: Api, method: str, path: str, **more: Any) -> httpx.Response:
    """The answer, which is the same whether FastAPI gives it or not."""
    direct = await api.client.request(method, path, **more)
    long = await api.client.request(method, f"{path}{'&' if '?' in path else '?'}{LONG}", **more)
    assert direct.status_code == long.status_code
    assert without_cursors(direct) == without_cursors(long)
    assert told(direct) == told(long)
    return direct


def without_cursors(answer: httpx.Response) -> Any:
    """They are sealed anew each time."""
    found = answer.json()
    if "cursors" in found.get("metadata", {}):
        found["metadata"]["cursors"] = sorted(found["metadata"]["cursors"])
    return found


def told(answer: httpx.Response) -> dict[str, str]:
    changing = {"x-wix-request-id", "content-length"}
    return {name: value for name, value in answer.headers.items() if name not in changing}


@pytest.mark.parametrize("by", ["all", "plain", "deleter", "one", "nothing", "unknown", None])
async def test_whoever_asks_for_whichever_checkout(api: Api, by: str | None) -> None:
    headers = {} if by is None else {"authorization": token_of(by)}
    for name in (guid(1), guid(1).upper(), guid(2), guid(3), guid(4), "no-guid"):
        await both(api, "GET", f"{CHECKOUTS_URL}/{name}", headers=headers)
    bearer = {"authorization": f"Bearer {headers.get('authorization')}"}
    await both(api, "GET", f"{CHECKOUTS_URL}/{guid(1)}?abandonedCheckoutId=x", headers=bearer)
    for site in (SITE, SITE.upper(), OTHER_SITE, "no-such-site", "x" * 100):
        asked = {**headers, "wix-site-id": site}
        await both(api, "GET", f"{CHECKOUTS_URL}/{guid(1)}", headers=asked)
        await both(api, "POST", QUERY, headers=asked, json={})
    for question in (
        {"filter": {"status": "ABANDONED"}, "cursorPaging": {"limit": 1}},
        {"filter": {"buyerInfo.email": {"$exists": True}}},
        {"filter": {"nonsense": 1}},
        {"fields": ["id"], "paging": {"limit": 1}},
    ):
        await both(api, "POST", QUERY, headers=headers, json={"query": question})


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 200), (b"  ", 200), (b"{", 400), (b"[]", 400), (b'{"a": "' + 2**18 * b"a" + b'"}', 413)],
)
@pytest.mark.parametrize("is_declared", [True, False])
async def test_whatever_is_sent(api: Api, content: bytes, status: int, is_declared: bool) -> None:  # noqa: FBT001  # a case

    async def streamed() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 2**16):
            yield content[start : start + 2**16]

    for path in (QUERY, f"{QUERY}?{LONG}"):
        answer = await api.client.post(
            path,
            headers={"authorization": token_of("all")},
            content=content if is_declared else streamed(),
        )
        assert answer.status_code == status, answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "message" in answer.json() or status == 200


async def test_who_asks_to_wait_goes_the_long_way(api: Api) -> None:
    headers = {"authorization": token_of("all")}
    for name in ("min_position", "min%5Fposition"):
        answer = await api.client.get(f"{CHECKOUTS_URL}/{guid(1)}?{name}=x", headers=headers)
        assert answer.status_code == 400
        assert "min_position" in answer.text


async def test_both_ways_are_counted_as_the_same_route(api: Api) -> None:
    headers = {"authorization": token_of("all")}
    for query in ("", f"?{LONG}"):
        await api.client.get(f"{CHECKOUTS_URL}/{guid(1)}{query}", headers=headers)
    counted = {"route": f"{CHECKOUTS_URL}/{{abandoned_checkout_id}}", "status": "200"}
    answers = api.metrics.registry.get_sample_value("checkout_recovery_api_answers_total", counted)
    assert answers == 2


async def test_other_methods_are_refused_as_ever(api: Api) -> None:
    answer = await api.client.put(QUERY, headers={"authorization": token_of("all")})
    assert answer.status_code == 405
