"""Wix's published client, unmodified, finds in our API what it would find at Wix."""

from __future__ import annotations

import json
import subprocess
import threading
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.builders import entity, text, wix_event
from tests.support.node import NODE, environment, installed
from tests.support.posting import post
from tests.support.services import wait_until
from tests.support.signing import envelope, public_pem
from tests.support.up import running_up

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kafka

PACKAGE = Path(__file__).parent / "wix-client"
CHECKOUTS = 250
RECOVERED = range(0, CHECKOUTS, 50)


class Shop:
    """A site whose checkouts were abandoned a second apart, the newest a minute ago."""

    def __init__(self, ingress_url: str) -> None:
        self._url = ingress_url
        self.site = str(uuid.uuid4())
        self.start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=CHECKOUTS + 60)
        self.ids = [str(uuid.uuid4()) for _ in range(CHECKOUTS + 3_000)]

    def created(self, number: int) -> datetime:
        return self.start + timedelta(seconds=number)

    def email(self, number: int) -> str:
        return f"buyer{number}@mail.example"

    def tell(self, number: int) -> None:
        """Post one checkout of the site's, which may have been recovered."""
        slug = "recovered" if number in RECOVERED else "created"
        who: dict[str, Any] = {"visitorId": str(uuid.uuid4()), "email": self.email(number)}
        if number % 100 == 0:
            who = {"memberId": str(uuid.uuid4())}
        body = entity(
            id=self.ids[number],
            createdDate=text(self.created(number)),
            updatedDate=text(self.created(number)),
            status="RECOVERED" if number in RECOVERED else "ABANDONED",
            buyerInfo=who,
            contactDetails={"firstName": f"Ada{number}", "lastName": "Lovelace"},
            totalPrice={"amount": "10.01", "formattedAmount": "€10.01"},
        )
        event = wix_event(
            slug,
            body,
            event_id=str(uuid.uuid4()),
            when=self.created(number),
            checkout=self.ids[number],
        )
        kind = f"wix.ecom.v1.abandoned_checkout_{slug}"
        data = envelope(event, instanceId=self.site, eventType=kind, accountInfo=None)
        post(self._url, {"data": data})


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The line of a running ``checkout-recovery up``."""
    key = tmp_path_factory.mktemp("keys") / "app.pem"
    key.write_text(public_pem())
    with running_up(key) as line:
        yield line


@pytest.fixture(scope="module")
def shop(up: dict[str, Any]) -> Shop:
    """A shop whose checkouts the API knows, beside one that has some as well."""
    one, other = Shop(up["ingress_url"]), Shop(up["ingress_url"])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one.tell, range(CHECKOUTS)))
        list(pool.map(other.tell, range(5)))
    for shop, expected in ((one, CHECKOUTS), (other, 5)):
        wait_until(lambda: total(up, shop.site) == expected, 60)  # noqa: B023  # used at once
    return one


@pytest.fixture(scope="module")
def said(up: dict[str, Any], shop: Shop) -> dict[str, Any]:
    """What the client said to each step, while new checkouts arrived."""
    folder = installed(PACKAGE)
    script = folder / "client.mjs"
    script.write_bytes((PACKAGE / "client.mjs").read_bytes())
    given = {
        "api": up["api_url"],
        "token": up["api_token"],
        "app": str(uuid.uuid4()),
        "site": shop.site,
        "known": shop.ids[7],
        "unknown": str(uuid.uuid4()),
        "email": shop.email(7),
        "name": "ada7 LOVELACE",
        "first": text(shop.created(10)),
        "second": text(shop.created(13)),
        "middle": text(shop.created(100)),
        "day": f"{shop.start:%Y-%m-%d}",
    }
    said_aloud: list[str] = []
    with subprocess.Popen(
        [NODE, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        arriving = threading.Thread(target=arrive, args=(shop, process, said_aloud), daemon=True)
        arriving.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        output = process.stdout.read()
        assert process.wait(60) == 0, said_aloud
        arriving.join(60)
    answers: dict[str, Any] = json.loads(output)
    return answers


def arrive(shop: Shop, process: subprocess.Popen[str], said_aloud: list[str]) -> None:
    """Let new checkouts arrive while the client says that it pages."""
    is_paging = threading.Event()

    def tell() -> None:
        for number in range(CHECKOUTS, len(shop.ids)):
            if not is_paging.is_set():
                return
            shop.tell(number)

    assert process.stderr is not None
    for line in process.stderr:
        said_aloud.append(line)
        if line == "paging\n":
            is_paging.set()
            telling = threading.Thread(target=tell, daemon=True)
            telling.start()
        if line == "paged\n":
            is_paging.clear()
            telling.join(60)


def total(up: dict[str, Any], site: str) -> int:
    request = urllib.request.Request(
        f"{up['api_url']}/ecom/v1/abandoned-checkout/query",
        json.dumps({"query": {"paging": {"limit": 1}}}).encode(),
        {"authorization": f"Bearer {up['api_token']}", "wix-site-id": site},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["metadata"]["total"])


def numbers(shop: Shop, ids: list[str]) -> list[int]:
    return [shop.ids.index(one) for one in ids]


def test_get_answers_and_refuses_as_wix_does(said: dict[str, Any], shop: Shop) -> None:
    assert said["known"]["_id"] == shop.ids[7]
    assert said["known"]["buyerInfo"]["email"] == shop.email(7)
    assert datetime.fromisoformat(said["known"]["_createdDate"]) == shop.created(7)
    unknown = said["unknown"]["error"]
    assert unknown["status"] == 404
    assert unknown["details"]["applicationError"]["code"] == "NOT_FOUND"
    malformed = said["malformed"]["error"]["details"]["validationError"]["fieldViolations"]
    assert [one["field"] for one in malformed] == ["abandonedCheckoutId"]


def test_the_app_strategy_gets_a_token_and_reads(said: dict[str, Any], shop: Shop) -> None:
    assert said["byApp"]["_id"] == shop.ids[7]
    assert "error" in said["wrongApp"]


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("eq", [7]),
        ("ne", [200, 150, 100, 50, 0]),
        ("gt", [200, 150]),
        ("ge", [200, 150, 100]),
        ("lt", [50, 0]),
        ("le", [100, 50, 0]),
        ("between", [12, 11, 10]),
        ("startsWith", [7]),
        ("endsWith", [7]),
        ("contains", [7]),
        ("in", [7]),
        ("hasSome", [7]),
        ("hasAll", [200, 150, 100, 50, 0]),
        ("exists", [200, 100, 0]),
        ("isEmpty", [200, 100, 0]),
        ("isNotEmpty", [200, 100, 0]),
        ("or", [200, 150, 100, 50, 7, 0]),
        ("and", []),
        ("not", [200, 150, 100, 50, 0]),
        ("ascending", [0, 50, 100, 150, 200]),
        ("descending", [200, 150, 100, 50, 0]),
    ],
)
def test_the_query_builder_finds(
    said: dict[str, Any], shop: Shop, operator: str, expected: list[int]
) -> None:
    assert isinstance(said[operator], list), said[operator]
    found = [one for one in numbers(shop, said[operator]) if one < CHECKOUTS]
    assert found == expected


def test_what_can_t_be_asked_is_named(said: dict[str, Any]) -> None:
    violations = said["unknownField"]["error"]["details"]["validationError"]["fieldViolations"]
    assert "nonsense" in violations[0]["field"]


def test_pages_miss_nothing_and_repeat_nothing_while_new_ones_arrive(
    said: dict[str, Any], shop: Shop
) -> None:
    pages = said["pages"]
    forwards = [one for page in pages["forwards"] for one in page]
    assert len(forwards) == len(set(forwards))
    assert set(shop.ids[:CHECKOUTS]) <= set(forwards)
    backwards = [one for page in pages["backwards"] for one in page]
    assert len(backwards) == len(set(backwards))
    assert backwards[-len(forwards) :] == forwards
    assert len(backwards) > len(forwards), "nothing arrived meanwhile"
    assert pages["skipped"] == pages["forwards"][5]


def test_typed_query_search_and_analytics_answer_in_their_shapes(
    said: dict[str, Any], shop: Shop
) -> None:
    typed = said["typed"]
    assert typed["ids"] == typed["results"]
    assert numbers(shop, typed["ids"]) == [200, 150]
    assert typed["metadata"]["count"] == 2
    assert typed["metadata"]["cursors"]["next"]
    found = numbers(shop, said["search"]["ids"])
    assert 7 in found
    assert all(str(one).startswith("7") for one in found)
    assert said["search"]["metadata"]["count"] == len(found)
    figures = said["analytics"]
    assert figures["currency"] == "EUR"
    assert figures["recoveredCheckoutCount"] <= len(RECOVERED)
    assert 0 <= figures["recoveryRate"] <= 1
