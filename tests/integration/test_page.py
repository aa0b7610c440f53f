"""The live page in a real browser, before everything that ``checkout-recovery up`` runs."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from streams.adapters.topics import CONVERSION
from streams.api.access.token_list import EVERY_SITE, hash_of, new_token
from streams.config import PREFIX, load_settings
from tests.support.builders import entity, text, wix_event
from tests.support.chromium import NoChromiumError, browser
from tests.support.pictures import FOLDER, picture
from tests.support.posting import post
from tests.support.services import read_all, status, wait_until
from tests.support.signing import envelope, public_pem
from tests.support.up import running_up
from tests.support.watched import SIZES, THEMES, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

pytestmark = pytest.mark.kafka

EVERYTHING, MASKED, OF_NOTHING = (new_token() for _ in range(3))
SCOPES = {
    EVERYTHING: (EVERY_SITE, ["read", "read:personal"]),
    MASKED: (EVERY_SITE, ["read"]),
    OF_NOTHING: (str(uuid.uuid4()), ["read", "read:personal"]),
}
OLD, YOUNG = 40, 20


class Shop:
    """A site: most checkouts were left before the last week, some in it; every fifth came back."""

    def __init__(self, ingress_url: str) -> None:
        self._url = ingress_url
        self.site = str(uuid.uuid4())
        self.now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
        self.ids = [str(uuid.uuid4()) for _ in range(OLD + YOUNG)]

    def left(self, number: int) -> datetime:
        days = 10 + number / 2 if number < OLD else (number - OLD) / 4
        return self.now - timedelta(days=days)

    def tell_all(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._tell_history, range(len(self.ids))))

    def tell(self, checkout: str, slug: str, *, left: datetime, when: datetime) -> None:
        body = entity(
            id=checkout,
            createdDate=text(left),
            updatedDate=text(when),
            status="RECOVERED" if slug == "recovered" else "ABANDONED",
            buyerInfo={"visitorId": str(uuid.uuid4()), "email": f"{checkout[:8]}@mail.example"},
            contactDetails={"firstName": "<b>Ada</b>", "lastName": "Lovelace"},
            totalPrice={"amount": "10.01", "formattedAmount": "€10.01"},
        )
        kind = f"wix.ecom.v1.abandoned_checkout_{slug}"
        event = wix_event(slug, body, event_id=str(uuid.uuid4()), when=when, checkout=checkout)
        data = envelope(event, instanceId=self.site, eventType=kind, accountInfo=None)
        post(self._url, {"data": data})

    def tell_recovery(self) -> str:
        """A checkout that was left an hour ago is completed now; its id."""
        checkout, now = str(uuid.uuid4()), datetime.now(UTC)
        self.tell(checkout, "recovered", left=now - timedelta(hours=1), when=now)
        return checkout

    def _tell_history(self, number: int) -> None:
        checkout, left = self.ids[number], self.left(number)
        is_back = number % 5 == 0
        when = min(left + timedelta(hours=3), self.now) if is_back else left
        self.tell(checkout, "recovered" if is_back else "created", left=left, when=when)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The line of a running ``checkout-recovery up`` that knows the tokens of this module."""
    folder = tmp_path_factory.mktemp("up")
    key, tokens = folder / "app.pem", folder / "tokens.json"
    key.write_text(public_pem())
    listed = [
        {"name": f"t{number}", "sha256": hash_of(token), "sites": [sites], "scopes": scopes}
        for number, (token, (sites, scopes)) in enumerate(SCOPES.items())
    ]
    tokens.write_text(json.dumps({"tokens": listed}))
    with running_up(key, **{PREFIX + "API_TOKENS_FILE": str(tokens)}) as line:
        yield line


@pytest.fixture(scope="module")
def shops(up: dict[str, Any]) -> tuple[Shop, Shop]:
    """Two sites, all of whose checkouts are counted."""
    shops = Shop(up["ingress_url"]), Shop(up["ingress_url"])
    for shop in shops:
        shop.tell_all()
    wait_until(lambda: all(is_counted(record(up, shop)) for shop in shops), 60)
    return shops


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    try:
        with browser() as running:
            yield running
    except NoChromiumError as error:
        pytest.skip(str(error))


@pytest.fixture
def watched(chromium: Browser, up: dict[str, Any], shops: tuple[Shop, Shop]) -> Iterator[Watched]:
    """A page, not signed in, of an installation that has something to show."""
    page = Watched(chromium, up["api_url"])
    yield page
    page.close()


def record(up: dict[str, Any], shop: Shop) -> dict[str, Any]:
    """The newest record of the site on the topic; empty if there is none."""
    settings = load_settings(bootstrap_servers=up["bootstrap_servers"])
    found = [
        message for message in read_all(settings, CONVERSION) if message.key() == shop.site.encode()
    ]
    return json.loads(found[-1].value() or b"{}") if found else {}


def is_counted(record: dict[str, Any]) -> bool:
    if not record:
        return False
    window = longest(record)
    return bool(
        window["matured"]["abandoned"] == OLD and window["cohort"]["abandoned"] == OLD + YOUNG
    )


def longest(record: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in record["windows"] if one["window"] == "30d")


def percent(rate: str) -> str:
    return f"{100 * float(rate):.1f}%"


def test_a_token_signs_in_and_scripts_never_see_it(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.url)
    page.get_by_label("Access token").fill(EVERYTHING)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Recovery rate").wait_for()
    kept = page.evaluate(
        "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href])"
    )
    assert EVERYTHING not in kept
    assert EVERYTHING not in page.content()
    page.reload()
    page.get_by_role("heading", name="Recovery rate").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Access token").wait_for()
    page.reload()
    page.get_by_label("Access token").wait_for()


def test_a_link_of_up_signs_in_and_keeps_the_token_nowhere(watched: Watched) -> None:
    page = watched.page
    page.goto(f"{watched.url}/#token={EVERYTHING}")
    page.get_by_role("heading", name="Recovery rate").wait_for()
    assert "token" not in page.url
    page.go_back()
    assert page.url == "about:blank", "the link stayed in the history"
    assert EVERYTHING not in "".join(address.split("#")[0] for address in watched.asked)


def test_a_wrong_token_is_refused_in_words(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.url)
    page.get_by_label("Access token").fill("crt_wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").get_by_text("not valid").wait_for()


def test_the_sentence_and_every_rate_are_those_of_the_record(
    watched: Watched, up: dict[str, Any], shops: tuple[Shop, Shop]
) -> None:
    shop = shops[0]
    watched.sign_in(EVERYTHING)
    watched.show(f"recovery?site={shop.site}")
    page = watched.page
    published = record(up, shop)
    matured = longest(published)["matured"]
    headline = page.locator(".headline data")
    assert headline.get_attribute("value") == matured["rate"]
    assert headline.inner_text() == percent(matured["rate"])
    sentence = page.locator("#sentence").inner_text()
    assert sentence.startswith(f"Of the {matured['abandoned']} checkouts left between ")
    assert f", {matured['recovered']} ({percent(matured['rate'])}, likely " in sentence
    assert percent(matured["low"]) in sentence
    assert percent(matured["high"]) in sentence
    for window in published["windows"]:
        row = page.locator(f"tr[data-window='{window['window']}']")
        cohort = row.locator("[data-kind=cohort] data")
        if window["cohort"]["rate"] is None:
            assert cohort.count() == 0
        else:
            assert cohort.get_attribute("value") == window["cohort"]["rate"]
        shown = row.locator("[data-kind=matured]").inner_text()
        if window["window"] == "1h":
            assert shown == "too short"
        elif window["matured"]["rate"] is not None:
            assert shown.startswith(percent(window["matured"]["rate"]))


def test_all_sites_together_are_their_sums(
    watched: Watched, up: dict[str, Any], shops: tuple[Shop, Shop]
) -> None:
    watched.sign_in(EVERYTHING)
    watched.show("recovery")
    both = [longest(record(up, shop))["matured"] for shop in shops]
    abandoned = sum(one["abandoned"] for one in both)
    recovered = sum(one["recovered"] for one in both)
    value = watched.page.locator(".headline data").get_attribute("value")
    assert value is not None
    assert float(value) == pytest.approx(recovered / abandoned, abs=1e-6)
    assert f"Of the {abandoned} checkouts" in watched.page.locator("#sentence").inner_text()


def test_a_recovery_appears_by_itself_soon_after_its_webhook(
    watched: Watched, shops: tuple[Shop, Shop]
) -> None:
    watched.sign_in(EVERYTHING)
    watched.show(f"recovery?site={shops[0].site}")
    watched.page.evaluate("window.isTheSame = true")
    watched.forget()
    took = []
    for _ in range(3):  # the first may meet a cold path
        checkout = shops[0].tell_recovery()
        accepted = time.monotonic()
        watched.page.locator(f"li[data-id='{checkout}']").wait_for(timeout=20_000)
        took.append(time.monotonic() - accepted)
    assert min(took) < 2, took
    assert watched.page.evaluate("window.isTheSame")
    assert [one for one in watched.asked if "/recent" in one] == [], "by asking, not by events"


def test_the_page_finds_back_when_the_api_restarts(
    watched: Watched, up: dict[str, Any], shops: tuple[Shop, Shop]
) -> None:
    watched.sign_in(EVERYTHING)
    watched.show(f"recovery?site={shops[0].site}")
    watched.page.evaluate("window.isTheSame = true")
    os.kill(up["pids"]["api"], signal.SIGKILL)
    watched.page.get_by_text("Reconnecting").wait_for()
    checkout = shops[0].tell_recovery()
    watched.page.get_by_text("Live", exact=True).wait_for(timeout=60_000)
    watched.page.locator(f"li[data-id='{checkout}']").wait_for(timeout=60_000)
    assert watched.page.evaluate("window.isTheSame")
    wait_until(lambda: status(f"{up['api_url']}/readyz") == 200, 30)


def test_without_the_scope_nothing_personal_is_shown_or_searched(
    watched: Watched, shops: tuple[Shop, Shop]
) -> None:
    shop, page = shops[0], watched.page
    email = f"{shop.ids[0][:8]}@mail.example"
    watched.sign_in(MASKED)
    watched.show(f"checkouts?q={shop.ids[0]}")
    page.get_by_role("link", name=shop.ids[0][:8]).click()
    page.get_by_text("your token does not see personal data").wait_for()
    page.get_by_text("Told subscribers").first.wait_for()
    assert email not in page.content()
    assert "Lovelace" not in page.content()
    watched.show(f"checkouts?q={email}")
    page.get_by_text("can't search by e-mail").wait_for()


def test_with_the_scope_a_checkout_is_found_by_e_mail(
    watched: Watched, shops: tuple[Shop, Shop]
) -> None:
    shop, page = shops[0], watched.page
    email = f"{shop.ids[0][:8]}@mail.example"
    watched.sign_in(EVERYTHING)
    watched.show("checkouts")
    page.get_by_label("Checkout id or e-mail").fill(email)
    page.keyboard.press("Enter")
    page.get_by_role("cell", name=email).wait_for()
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("link", name=shop.ids[0][:8]).click()
    page.get_by_text("<b>Ada</b> Lovelace").wait_for()  # as text, whatever a buyer is called
    assert page.locator("main b", has_text="Ada").count() == 0


def test_status_narrows_what_is_found(watched: Watched, shops: tuple[Shop, Shop]) -> None:
    watched.sign_in(EVERYTHING)
    watched.show(f"checkouts?site={shops[1].site}")
    page = watched.page
    page.get_by_label("Status").select_option("RECOVERED")
    watched.until(
        "document.querySelector('tbody .recovered') && !document.querySelector('tbody .open')"
    )
    assert page.locator("tbody .status.recovered").count() == (OLD + YOUNG) // 5


def test_a_token_of_a_site_with_nothing_sees_nothing_and_no_operations(watched: Watched) -> None:
    watched.sign_in(OF_NOTHING)
    watched.show("recovery")
    watched.page.get_by_text("No checkouts yet").wait_for()
    watched.page.get_by_role("link", name="Operations").click()
    watched.page.get_by_text("Your token does not allow this").wait_for()


def test_a_site_is_chosen_with_the_keyboard_alone(
    watched: Watched, shops: tuple[Shop, Shop]
) -> None:
    watched.sign_in(EVERYTHING)
    watched.show("recovery")
    page = watched.page
    page.get_by_role("combobox", name="Site").focus()
    page.keyboard.type(shops[1].site[:8])
    page.get_by_role("option", name=shops[1].site).wait_for()
    page.keyboard.press("Enter")
    watched.until(f"location.hash.includes('{shops[1].site}')")
    page.get_by_text(f"Of the {OLD} checkouts").wait_for()


@pytest.mark.parametrize("theme", THEMES)
def test_every_view_is_without_barriers_and_complaints_and_keeps_to_its_host(
    chromium: Browser, up: dict[str, Any], shops: tuple[Shop, Shop], theme: str
) -> None:
    watched = Watched(chromium, up["api_url"], theme=theme)
    try:
        watched.page.goto(watched.url)
        watched.page.get_by_label("Access token").wait_for()
        found = {"sign-in": watched.barriers()}
        picture(watched.page, "sign-in", theme, 1280)
        watched.sign_in(EVERYTHING)
        watched.page.reload()
        views = {
            "recovery": f"recovery?site={shops[0].site}",
            "checkouts": "checkouts",
            "checkout": f"checkouts/{shops[0].ids[0]}",
            "operations": "operations",
        }
        for name, address in views.items():
            watched.show(address)
            for width in SIZES:
                picture(watched.page, name, theme, width)
                needed = watched.page.evaluate("document.scrollingElement.scrollWidth")
                assert needed <= width, f"{name} is {needed} px wide at {width}"
            found[name] = watched.barriers()
        assert {name: rules for name, rules in found.items() if rules} == {}
        assert watched.complaints == []
        assert watched.strangers == []
        assert len(list(FOLDER.glob(f"*-{theme}-*.png"))) >= len(views) * len(SIZES)
    finally:
        watched.close()
