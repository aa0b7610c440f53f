"""The page's files, and signing in: a cookie that opens reads of the page itself, nothing else."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from streams.api.access.guard import SESSION_COOKIE
from streams.api.page import read_files
from tests.support.api import CHECKOUTS_URL, EVERYTHING, Api, running_api, token_of, tokens
from tests.support.databases import sqlite_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

TOKENS = tokens(("all", ["*"], EVERYTHING), ("one", ["abc"], ["read"]))
SAME = {"sec-fetch-site": "same-origin"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    url = sqlite_database(tmp_path_factory.mktemp("session"))
    async with running_api(url, TOKENS) as running:
        yield running


async def signed_in(api: Api, name: str = "all", **headers: str) -> SimpleCookie:
    """The cookie that a browser would keep."""
    reply = await api.client.post("/session", json={"token": token_of(name)}, headers=headers)
    assert reply.status_code == 204, reply.text
    api.client.cookies.clear()
    return SimpleCookie(reply.headers["set-cookie"])


async def with_cookie(
    api: Api, cookie: SimpleCookie, path: str, method: str = "GET", **headers: str
) -> httpx.Response:
    known = {name.replace("_", "-"): value for name, value in headers.items()}
    known["cookie"] = f"{SESSION_COOKIE}={cookie[SESSION_COOKIE].value}"
    body: dict[str, Any] | None = {"query": {}} if method == "POST" else None
    return await api.client.request(method, path, json=body, headers=known)


async def test_a_session_is_a_cookie_that_scripts_and_other_sites_never_have(api: Api) -> None:
    cookie = (await signed_in(api))[SESSION_COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "strict"
    assert cookie["path"] == "/"
    assert 0 < int(cookie["max-age"]) <= 86_400
    assert not cookie["secure"]
    assert token_of("all") not in cookie.value


async def test_behind_tls_the_cookie_is_sent_over_tls_only(api: Api) -> None:
    cookie = await signed_in(api, **{"x-forwarded-proto": "https"})
    assert cookie[SESSION_COOKIE]["secure"]


async def test_a_session_says_who_is_signed_in_and_what_there_is_to_look_at(api: Api) -> None:
    nobody = await api.get("/session", by=None)
    assert (nobody.status_code, nobody.json()) == (200, None)
    cookie = await signed_in(api, "one")
    assert (await with_cookie(api, cookie, "/session")).json() == {
        "name": "one",
        "scopes": ["read"],
        "sites": ["abc"],
        "windows": ["1h", "24h", "7d", "30d"],
        "headline_window": "30d",
        "horizon": "7d",
    }


@pytest.mark.parametrize("body", [{}, {"token": 1}, {"token": "x" * 600}, [], "crt_all"])
async def test_a_sign_in_without_a_token_is_refused_with_the_field(api: Api, body: object) -> None:
    reply = await api.client.post("/session", json=body)
    assert reply.status_code == 400
    assert "token" in reply.json()["message"]


async def test_a_session_reads_what_its_token_may_and_is_not_taken_for_a_change(api: Api) -> None:
    cookie = await signed_in(api)
    for path in ("/v1/overview", "/v1/conversion", "/v1/overview/recent"):
        assert (await with_cookie(api, cookie, path)).status_code == 200
    asked = await with_cookie(api, cookie, f"{CHECKOUTS_URL}/query", "POST", **SAME)
    assert asked.status_code == 200
    one = f"{CHECKOUTS_URL}/00000000-0000-4000-8000-000000000000"
    bulk = "/ecom/v1/bulk/abandoned-checkout/delete"
    for method, path in (("DELETE", one), ("POST", bulk)):
        assert (await with_cookie(api, cookie, path, method, **SAME)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
    ],
)
async def test_another_sites_page_can_ask_nothing_with_it(
    api: Api, headers: dict[str, str]
) -> None:
    cookie = await signed_in(api)
    refused = await with_cookie(api, cookie, f"{CHECKOUTS_URL}/query", "POST", **headers)
    assert refused.status_code == 401
    if headers.get("sec_fetch_site") in {"cross-site", "same-site"} or "origin" in headers:
        assert (await with_cookie(api, cookie, "/v1/overview", **headers)).status_code == 401


async def test_another_sites_page_can_sign_nobody_in_or_out(api: Api) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        body = {"token": token_of("all")}
        reply = await api.client.post("/session", json=body, headers=headers)
        assert (reply.status_code, "set-cookie" in reply.headers) == (403, False)
        assert (await api.client.delete("/session", headers=headers)).status_code == 403


async def test_our_own_page_is_known_by_its_origin_where_a_browser_says_no_more(api: Api) -> None:
    cookie = await signed_in(api)
    own = {"origin": "http://api.example"}
    asked = await with_cookie(api, cookie, f"{CHECKOUTS_URL}/query", "POST", **own)
    assert asked.status_code == 200


async def test_a_cookie_that_was_changed_or_is_another_seal_of_ours_opens_nothing(api: Api) -> None:
    cookie = await signed_in(api)
    value = cookie[SESSION_COOKIE].value
    credentials = {
        "grant_type": "client_credentials",
        "client_id": "x",
        "client_secret": token_of("all"),
    }
    access = (await api.client.post("/oauth2/token", json=credentials)).json()["access_token"]
    for wrong in ("", value[:-1], value.swapcase(), "cro_", access, token_of("all")):
        cookie[SESSION_COOKIE] = wrong
        assert (await with_cookie(api, cookie, "/v1/overview")).status_code == 401, wrong
        assert (await with_cookie(api, cookie, "/session")).status_code == 401
    assert (await api.get("/v1/overview", by=None, authorization=value)).status_code == 401


async def test_signing_out_takes_the_cookie_away(api: Api) -> None:
    reply = await api.client.delete("/session", headers=SAME)
    assert reply.status_code == 204
    cookie = SimpleCookie(reply.headers["set-cookie"])[SESSION_COOKIE]
    assert (cookie.value, cookie["max-age"]) == ("", "0")


async def test_the_page_comes_with_its_policy_and_is_not_sent_twice(api: Api) -> None:
    page = await api.get("/", by=None)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    again = await api.get("/", by=None, if_none_match=page.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == page.headers["etag"]
    head = await api.client.head("/")
    assert (head.status_code, head.content) == (200, b"")


async def test_every_file_of_the_page_is_answered_and_nothing_beside_it(api: Api) -> None:
    for path, file in read_files().items():
        reply = await api.get(f"/assets/{path}", by=None)
        assert (reply.content, reply.headers["etag"]) == (file.body, file.etag)
    for path in ("../files.py", "%2e%2e/files.py", "nothing.js", "", "__init__.py"):
        assert (await api.get(f"/assets/{path}", by=None)).status_code == 404


async def test_a_wrong_token_opens_nothing_and_may_not_be_tried_for_ever(api: Api) -> None:
    """The last here: its address has had its tries then."""
    statuses = [
        (await api.client.post("/session", json={"token": f"crt_{number}"})).status_code
        for number in range(130)
    ]
    assert statuses[0] == 401
    assert set(statuses) == {401, 429}
