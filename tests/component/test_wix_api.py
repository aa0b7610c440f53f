"""Wix's endpoints as a plain HTTP caller sees them."""

from __future__ import annotations

import json
import random
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
from tests.support.builders import OTHER_SITE, SITE, at, text
from tests.support.databases import PostgreSQL, sqlite_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKENS = tokens(
    ("all", ["*"], EVERYTHING),
    ("plain", ["*"], ["read"]),
    ("one", [SITE], EVERYTHING),
    ("other", [OTHER_SITE], EVERYTHING),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return sqlite_database(tmp_path_factory.mktemp("api"))
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url, TOKENS) as running:
        yield running


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.get("results", body["abandonedCheckouts"]) == body["abandonedCheckouts"]
    return [one["id"] for one in body["abandonedCheckouts"]]


def violations(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["message"]
    return [one["field"] for one in body["details"]["validationError"]["fieldViolations"]]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["applicationError"]["code"]


async def test_get_answers_the_whole_entity_with_fields_that_nobody_knows(api: Api) -> None:
    api.store(checkout(1, somethingNew={"deep": [1, 2.5, None]}))
    answer = await api.get(f"{CHECKOUTS_URL}/{guid(1).upper()}?abandonedCheckoutId={guid(1)}")
    assert answer.status_code == 200
    found = answer.json()["abandonedCheckout"]
    assert found["somethingNew"] == {"deep": [1, 2.5, None]}
    assert found["buyerInfo"]["email"] == "ada@mail.example"
    assert answer.headers["x-wix-request-id"]


async def test_what_is_unknown_is_404_what_is_no_guid_is_a_violation(api: Api) -> None:
    api.store(checkout(1, slugs=["created", "deleted"]))
    assert code(await api.get(f"{CHECKOUTS_URL}/{guid(2)}")) == (404, "NOT_FOUND")
    assert code(await api.get(f"{CHECKOUTS_URL}/{guid(1)}")) == (404, "NOT_FOUND")
    assert violations(await api.get(f"{CHECKOUTS_URL}/nonsense")) == ["abandonedCheckoutId"]
    assert ids(await api.query({})) == []


async def test_a_query_filters_sorts_and_projects(api: Api) -> None:
    api.store(
        checkout(1, totalPrice={"amount": "9.50"}),
        checkout(2, totalPrice={"amount": "10"}),
        checkout(3, totalPrice={"amount": "100.0"}, slugs=["created", "recovered"]),
    )
    answer = await api.query(
        {
            "filter": {"totalPrice.amount": {"$gte": "9.5", "$lt": "100"}},
            "sort": [{"fieldName": "totalPrice.amount", "order": "DESC"}],
            "fields": ["_id", "totalPrice.amount"],
        }
    )
    assert answer.json()["results"] == [
        {"id": guid(2), "totalPrice": {"amount": "10"}},
        {"id": guid(1), "totalPrice": {"amount": "9.50"}},
    ]
    assert answer.json()["metadata"] == {
        "count": 2,
        "offset": 0,
        "total": 2,
        "tooManyToCount": False,
    }
    assert ids(await api.query({"filter": {"status": "RECOVERED"}})) == [guid(3)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": {"filter": {"nonsense": 1}}}, "query.filter.nonsense"),
        ({"query": {"filter": {"status": {"$near": 1}}}}, "query.filter.status.$near"),
        ({"query": {"sort": [{"fieldName": "x"}]}}, "query.sort[0].fieldName"),
        ({"query": {"cursorPaging": {"cursor": "x"}}}, "query.cursorPaging.cursor"),
        ({"query": []}, "query"),
        ([], "query"),
    ],
)
async def test_what_is_wrong_is_named_with_its_path(api: Api, body: Any, field: str) -> None:
    assert violations(await api.post(f"{CHECKOUTS_URL}/query", body)) == [field]


async def test_a_body_that_is_no_json_is_a_violation(api: Api) -> None:
    headers = {"authorization": token_of("all")}
    for body in (b"{", b"\xff", b"[" * 5_000, b'{"query": NaN}', b'"\\ud800"'):
        answer = await api.client.post(f"{CHECKOUTS_URL}/query", content=body, headers=headers)
        assert answer.status_code == 400, body
    nested: dict[str, Any] = {}
    for _ in range(300):
        nested = {"$and": [nested]}
    assert violations(await api.query({"filter": nested}))[0].startswith("query.filter.$and")


async def page_through(api: Api, query: dict[str, Any], direction: str) -> list[list[str]]:
    pages = []
    cursor: str | None = None
    while True:
        asked = query if cursor is None else {"cursorPaging": {"cursor": cursor, "limit": 7}}
        answer = await api.query(asked)
        pages.append(ids(answer))
        cursor = answer.json()["metadata"]["cursors"].get(direction)
        if cursor is None:
            return pages


@pytest.mark.parametrize(
    "sort",
    [
        [],
        [{"fieldName": "createdDate"}],
        [{"fieldName": "totalPrice.amount", "order": "DESC"}, {"fieldName": "createdDate"}],
        [{"fieldName": "buyerInfo.email"}, {"fieldName": "updatedDate", "order": "DESC"}],
    ],
)
async def test_pages_forwards_and_back_miss_nothing_and_repeat_nothing_as_others_arrive(
    api: Api, sort: list[dict[str, str]]
) -> None:
    rng = random.Random(3)

    def one(number: int) -> dict[str, Any]:
        return checkout(
            number,
            createdDate=rng.choice([None, text(at(number % 11))]),
            totalPrice={"amount": str(number % 3)},
            buyerInfo={"email": rng.choice(["a@x.example", "B@x.example", "c@x.example"])},
        )

    api.store(*(one(number) for number in range(40)))
    query = {"sort": sort, "cursorPaging": {"limit": 7}, "filter": {"status": "ABANDONED"}}
    answer = await api.query(query)
    first = ids(answer)
    assert "prev" not in answer.json()["metadata"]["cursors"]
    seen, pages, cursor = [first], [first], answer.json()["metadata"]["cursors"]["next"]
    number = 100
    while cursor:
        api.store(one(number))
        number += 1
        answer = await api.query({"cursorPaging": {"cursor": cursor, "limit": 7}})
        pages.append(ids(answer))
        seen.append(pages[-1])
        cursor = answer.json()["metadata"]["cursors"].get("next")
    flat = [one for page in seen for one in page]
    assert len(flat) == len(set(flat))
    assert {guid(number) for number in range(40)} <= set(flat)
    back = answer.json()["metadata"]["cursors"]["prev"]
    backwards = [pages[-1]]
    while back:
        answer = await api.query({"cursorPaging": {"cursor": back, "limit": 7}})
        backwards.insert(0, ids(answer))
        back = answer.json()["metadata"]["cursors"].get("prev")
    flat = [one for page in backwards for one in page]
    every = await api.query({"sort": sort, "paging": {"limit": 100}})
    assert flat == ids(every)


async def test_a_cursor_is_of_its_caller_its_question_and_its_list(api: Api) -> None:
    api.store(*(checkout(number) for number in range(5)))
    asked = {"cursorPaging": {"limit": 2}, "filter": {"status": "ABANDONED"}}
    cursor = (await api.query(asked)).json()["metadata"]["cursors"]["next"]
    paging = {"cursor": cursor, "limit": 2}
    again = await api.query({**asked, "cursorPaging": paging})
    assert ids(again) == ids(await api.query({"cursorPaging": paging}))
    other = {"filter": {"status": "RECOVERED"}, "cursorPaging": paging}
    assert violations(await api.query(other)) == ["cursorPaging.cursor"]
    for changed in (cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB"), cursor[1:], "", "é"):
        answer = await api.query({"cursorPaging": {"cursor": changed}})
        assert not changed or violations(answer) == ["query.cursorPaging.cursor"]
    stolen = await api.query({"cursorPaging": paging}, by="other")
    assert violations(stolen) == ["query.cursorPaging.cursor"]
    body = {"search": {"cursorPaging": paging}}
    elsewhere = await api.post(f"{CHECKOUTS_URL}/search", body)
    assert violations(elsewhere) == ["search.cursorPaging.cursor"]
    assert guid(1) not in cursor
    assert len(cursor) < 16_000


async def test_the_largest_filter_fits_into_a_cursor(api: Api) -> None:
    rng = random.Random(1)
    api.store(checkout(1), checkout(2))
    texts = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=75)) for _ in range(98)]
    asked = {"filter": {"buyerInfo.email": {"$nin": texts}}, "cursorPaging": {"limit": 1}}
    assert len(json.dumps(asked["filter"])) > 7_500
    cursor = (await api.query(asked)).json()["metadata"]["cursors"]["next"]
    assert len(cursor) <= 16_000
    assert len(ids(await api.query({"cursorPaging": {"cursor": cursor}}))) == 1


async def test_a_search_finds_words_in_names_and_e_mail_whatever_their_case(api: Api) -> None:
    api.store(
        checkout(1, contactDetails={"firstName": "Zoë", "lastName": "100%"}, buyerInfo=None),
        checkout(2, contactDetails={"firstName": "Ada"}, buyerInfo={"email": "L@lovelace.example"}),
        checkout(3, contactDetails={"firstName": "Bob"}, buyerInfo=None),
    )

    async def search(**details: Any) -> list[str]:
        asked = {"search": {"search": details, "sort": [{"fieldName": "id"}]}}
        answer = await api.post(f"{CHECKOUTS_URL}/search", asked)
        found = ids(answer)
        assert answer.json()["pagingMetadata"]["count"] == len(found)
        return found

    assert await search(expression="ZOË bob") == [guid(1), guid(3)]
    assert await search(expression="ada LOVELACE", mode="AND") == [guid(2)]
    assert await search(expression="0%") == [guid(1)]
    assert await search(expression="_") == []
    assert await search(expression="love", fields=["contactDetails.firstName"]) == []
    assert await search() == [guid(1), guid(2), guid(3)]


async def test_lists_are_filtered_by_what_they_hold(api: Api) -> None:
    sent = [{"type": "SCHEDULED"}, {"type": "EMAIL_SENT"}]
    api.store(checkout(1, activities=sent), checkout(2, activities=[]), checkout(3))
    assert ids(await api.query({"filter": {"activities.type": "EMAIL_SENT"}})) == [guid(1)]
    assert ids(await api.query({"filter": {"activities.type": {"$hasAll": ["EMAIL_SENT"]}}})) == [
        guid(1)
    ]
    missing = await api.query(
        {"filter": {"activities.type": {"$exists": False}}, "sort": [{"fieldName": "id"}]}
    )
    assert ids(missing) == [guid(2), guid(3)]


async def test_analytics_count_whole_days_and_never_add_currencies(api: Api) -> None:
    def price(amount: str) -> dict[str, str]:
        return {"amount": amount}

    early, late = "2026-03-01T00:00:00Z", "2026-03-02T23:59:59.999Z"
    api.store(
        checkout(1, createdDate=early, totalPrice=price("10.10")),
        checkout(2, createdDate=late, totalPrice=price("20.25")),
        checkout(3, createdDate=late, totalPrice=price("5"), slugs=["created", "recovered"]),
        checkout(4, createdDate=early, totalPrice=price("7"), currency="USD"),
        checkout(5, createdDate="2026-03-03T00:00:00Z", totalPrice=price("1000")),
        checkout(6, createdDate=early, slugs=["created", "deleted"]),
    )
    url = f"{CHECKOUTS_URL}/get-analytics"
    days = {"startDate": "2026-03-01", "endDate": "2026-03-02"}
    answer = await api.post(url, days)
    assert answer.json() == {
        "currency": "EUR",
        "recoverableValue": "30.35",
        "recoverableCheckoutCount": 3,
        "averageRecoverableCheckoutValue": "15.18",
        "recoveredValue": "5.00",
        "recoveredCheckoutCount": 1,
        "recoveryRate": 0.25,
    }
    some = await api.post(
        url, {**days, "metrics": ["RECOVERED_CHECKOUT_COUNT"], "statuses": ["ABANDONED"]}
    )
    assert some.json() == {"currency": "EUR", "recoveredCheckoutCount": 0}
    empty = await api.post(url, {"startDate": "2020-01-01", "endDate": "2020-01-01"})
    assert empty.json()["recoveryRate"] is None
    for wrong, field in (
        ({"endDate": "2026-02-28"}, "endDate"),
        ({"startDate": "2026-3-1"}, "startDate"),
        ({"startDate": "0001-01-01"}, "startDate"),
        ({"metrics": ["PROFIT"]}, "metrics[0]"),
        ({"statuses": ["ABANDONED"] * 3}, "statuses"),
        ({"statuses": [[]]}, "statuses[0]"),
    ):
        assert violations(await api.post(url, {**days, **wrong})) == [field]


async def test_a_buyer_is_sent_to_the_stored_address_over_https_and_to_no_other(api: Api) -> None:
    api.store(
        checkout(1, checkoutUrl="http://shop.example/checkout?id=1&name=Zoë\r\nSet-Cookie: x"),
        checkout(2, checkoutUrl="javascript:alert(1)"),
        checkout(3, slugs=["created", "deleted"]),
        checkout(4, slugs=["created", "updated"], anonymize=True),
    )

    async def follow(number: int, query: str = "") -> Any:
        url = f"{CHECKOUTS_URL}/{guid(number)}/redirect-to-checkout{query}"
        return await api.get(url, by=None)

    found = await follow(1, f"?metasiteId={SITE.upper()}&url=https://evil.example")
    assert found.status_code == 302
    assert found.headers["location"].startswith("https://shop.example/checkout?id=1&name=Zo%C3%AB")
    assert found.headers["referrer-policy"] == "no-referrer"
    unknown = await follow(9)
    for other in (await follow(2), await follow(1, f"?metasiteId={OTHER_SITE}")):
        assert (other.status_code, other.json()) == (404, unknown.json())
    nonsense = await api.get(f"{CHECKOUTS_URL}/x/redirect-to-checkout", by=None)
    assert nonsense.json() == unknown.json()
    assert [(await follow(number)).status_code for number in (3, 4)] == [410, 410]


async def test_without_the_scope_nothing_personal_is_told_in_any_way(api: Api) -> None:
    api.store(checkout(1, somethingNew="secret", activities=[{"type": "EMAIL_SENT"}]))
    seen = await api.get(f"{CHECKOUTS_URL}/{guid(1)}", by="plain")
    for secret in ("ada@mail.example", "Lovelace", "v-1", "shop.example", "secret"):
        assert secret not in seen.text
    assert seen.json()["abandonedCheckout"]["totalPrice"]["amount"] == "85.50"
    listed = await api.query({"fields": ["buyerInfo.email", "id"]}, by="plain")
    assert listed.json()["results"] == [{"id": guid(1)}]
    email = {"buyerInfo.email": {"$startsWith": "a"}}
    denied = (403, "PERMISSION_DENIED")
    for query in (
        {"filter": email},
        {"filter": {"$or": [{"status": "ABANDONED"}, {"$not": email}]}},
        {"filter": {"appliedDiscounts.coupon.code": "X"}},
        {"sort": [{"fieldName": "contactDetails.lastName"}]},
    ):
        assert code(await api.query(query, by="plain")) == denied
    searching = {"search": {"search": {"expression": "ada"}}}
    assert code(await api.post(f"{CHECKOUTS_URL}/search", searching, by="plain")) == denied
    fine = await api.query({"filter": {"activities.type": "EMAIL_SENT"}}, by="plain")
    assert ids(fine) == [guid(1)]


async def test_client_credentials_give_an_hour_for_one_site(api: Api) -> None:
    api.store(checkout(1), checkout(2, site=OTHER_SITE))
    asked = {
        "grant_type": "client_credentials",
        "client_id": "the app's id at Wix",
        "client_secret": token_of("all"),
        "instance_id": OTHER_SITE,
    }
    answer = await api.post("/oauth2/token", asked, by=None)
    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 3600
    bearer = {"authorization": answer.json()["access_token"]}
    found = await api.client.post(f"{CHECKOUTS_URL}/query", json={}, headers=bearer)
    assert ids(found) == [guid(2)]
    for wrong in (
        {"client_secret": "nonsense"},
        {"client_secret": ""},
        {"client_secret": answer.json()["access_token"]},
    ):
        refused = await api.post("/oauth2/token", {**asked, **wrong}, by=None)
        assert code(refused) == (401, "INVALID_CLIENT")
    elsewhere = {**asked, "client_secret": token_of("one")}
    assert code(await api.post("/oauth2/token", elsewhere, by=None)) == (
        403,
        "PERMISSION_DENIED",
    )
    assert violations(await api.post("/oauth2/token", {}, by=None)) == ["grant_type"]


async def test_too_many_requests_are_told_when_to_come_back(url: str) -> None:
    patient = tokens(("busy", ["*"], ["read"]), requests_per_minute=2)
    async with running_api(url, patient, api_requests_per_minute=5) as api:
        answers = [await api.query({}, by="busy") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert code(answers[-1]) == (429, "RATE_LIMIT_EXCEEDED")
        assert 0 < int(answers[-1].headers["retry-after"]) <= 30
        followed = [
            (await api.get(f"{CHECKOUTS_URL}/{guid(1)}/redirect-to-checkout", by=None)).status_code
            for _ in range(6)
        ]
        assert followed == [404] * 5 + [429]


async def test_a_token_comes_with_bearer_or_without_and_nothing_else_will_do(api: Api) -> None:
    async def status(header: str | None) -> int:
        headers = {} if header is None else {"authorization": header}
        answer = await api.client.post(f"{CHECKOUTS_URL}/query", json={}, headers=headers)
        assert answer.status_code == 200 or code(answer) == (401, "UNAUTHENTICATED")
        return answer.status_code

    token = token_of("all")
    for good in (token, f"Bearer {token}", f"bearer  {token} "):
        assert await status(good) == 200
    for bad in (None, "", "Bearer", f"Basic {token}", token[:-1], f"{token} x", "cro_AAAA"):
        assert await status(bad) == 401
