"""Webhooks in at the ingress, lifecycle events and rates out, through the running whole."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from schemas.conversion import ConversionV1
from schemas.lifecycle import LIFECYCLE
from streams.adapters.topics import CONVERSION, DEAD_LETTERS, EVENTS, FACTS, SOURCE
from streams.demo.stack import Stack, StackOptions
from tests.support.builders import text, wix_event
from tests.support.posting import post
from tests.support.services import read_all, wait_until
from tests.support.signing import envelope, public_pem
from tests.unit.test_lifecycle import COMMON, MAXIMAL, impersonal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.kafka

NOW = datetime.now(UTC).replace(microsecond=0)
PLANTED = ("ada@mail.example", "Lovelace", "+44 20 7946 0000", "Engines Ltd")


class Whole:
    """A running stack with one shop."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.site = str(uuid.uuid4())

    def post(self, checkout: str, slug: str, body: dict[str, Any] | None, **more: Any) -> str:
        """Post one webhook; the event's id."""
        event_id = str(uuid.uuid4())
        changed = None if body is None else {**body, "id": checkout}
        when = more.pop("when", NOW)
        event = wix_event(slug, changed, event_id=event_id, when=when, checkout=checkout, **more)
        data = envelope(
            event,
            instanceId=self.site,
            eventType=f"wix.ecom.v1.abandoned_checkout_{slug}",
            accountInfo={"accountId": "acc-1", "siteId": "site-1"},
        )
        post(self.stack.ingress_url, {"data": data})
        return event_id

    def told(self, checkout: str) -> list[dict[str, Any]]:
        """Lifecycle events of a checkout so far, each valid by the strict contract."""
        values = []
        for message in read_all(self.stack.settings, EVENTS):
            if message.key() == checkout.encode():
                LIFECYCLE.validate_json(message.value() or b"")
                values.append(json.loads(message.value() or b""))
        return values

    def wait_for(self, checkout: str, *types: str) -> list[dict[str, Any]]:
        """The events of a checkout, once they are these types, and still are a little later."""
        expected = [f"checkout.{name}" for name in types]
        wait_until(lambda: [e["type"] for e in self.told(checkout)] == expected, 20)
        time.sleep(0.5)
        found = self.told(checkout)
        assert [event["type"] for event in found] == expected
        return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    directory = tmp_path_factory.mktemp("whole")
    (directory / "app.pem").write_text(public_pem())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHECKOUT_RECOVERY_LOG_LEVEL", "debug")
        options = StackOptions((directory / "app.pem",), directory / "data")
        with Stack(options) as stack:
            yield Whole(stack)
    logs = [file.read_text("utf-8", "replace") for file in (directory / "data").glob("*.log")]
    assert len(logs) >= 3
    for planted in PLANTED:
        assert not any(planted in log for log in logs), f"{planted} is in a log"


def dated(body: dict[str, Any], created: datetime, updated: datetime) -> dict[str, Any]:
    return {**body, "createdDate": text(created), "updatedDate": text(updated)}


def test_every_field_of_a_maximal_entity_comes_out_with_its_value(whole: Whole) -> None:
    checkout = str(uuid.uuid4())
    event_id = whole.post(checkout, "created", dated(MAXIMAL, NOW, NOW))
    (value,) = whole.wait_for(checkout, "abandoned")
    own = {
        "abandoned_checkout_id": checkout,
        "instance_id": whole.site,
        "abandoned_at": milliseconds(NOW),
    }
    generated = {name: value[name] for name in ("event_id", "recorded_at")}
    assert value == {
        **COMMON,
        **own,
        **generated,
        "type": "checkout.abandoned",
        "source_event_id": event_id,
        "occurred_at": milliseconds(NOW),
        "revision": 1,
        "expires_at": milliseconds(NOW + timedelta(days=7)),
    }
    erased = whole.post(
        checkout, "updated", dated(MAXIMAL, NOW, NOW + timedelta(seconds=5)), anonymize=True
    )
    *_, last = whole.wait_for(checkout, "abandoned", "anonymized")
    assert {name: last[name] for name in impersonal() if name not in {*own, *generated}} == {
        **{name: found for name, found in impersonal().items() if name not in {*own, *generated}},
        "source_event_id": erased,
    }


def test_created_updated_and_recovered_twice_are_told_once_each(whole: Whole) -> None:
    checkout = str(uuid.uuid4())
    bought = {**MAXIMAL, "status": "RECOVERED"}
    whole.post(checkout, "created", dated(MAXIMAL, NOW, NOW))
    whole.post(checkout, "updated", dated(MAXIMAL, NOW, NOW + timedelta(seconds=1)))
    for seconds in (2, 3):
        whole.post(checkout, "recovered", dated(bought, NOW, NOW + timedelta(seconds=seconds)))
    found = whole.wait_for(checkout, "abandoned", "recovered")
    assert [event["revision"] for event in found] == [1, 2]


def test_recovered_first_and_created_late_is_told_recovered_only(whole: Whole) -> None:
    checkout = str(uuid.uuid4())
    bought = {**MAXIMAL, "status": "RECOVERED"}
    whole.post(checkout, "recovered", dated(bought, NOW, NOW + timedelta(seconds=2)))
    whole.wait_for(checkout, "recovered")
    whole.post(checkout, "created", dated(MAXIMAL, NOW, NOW))
    whole.wait_for(checkout, "recovered")


def test_of_what_has_aged_out_only_an_erasure_is_told(whole: Whole) -> None:
    checkout = str(uuid.uuid4())
    long_ago = NOW - timedelta(days=60)
    whole.post(checkout, "updated", dated(MAXIMAL, long_ago, NOW))
    whole.post(checkout, "updated", dated(MAXIMAL, long_ago, NOW), anonymize=True)
    whole.wait_for(checkout, "anonymized")


def test_an_unreadable_entity_is_a_dead_letter_and_the_stream_goes_on(whole: Whole) -> None:
    broken, next_one = str(uuid.uuid4()), str(uuid.uuid4())
    whole.post(broken, "created", {"createdDate": "the day before yesterday"})
    whole.post(next_one, "created", dated(MAXIMAL, NOW, NOW))
    whole.wait_for(next_one, "abandoned")
    letters = read_all(whole.stack.settings, DEAD_LETTERS)
    (letter,) = [message for message in letters if message.key() == broken.encode()]
    headers = dict(letter.headers() or [])
    assert headers["dead_letter_reason"] == b"entity_unreadable"
    assert headers["dead_letter_stage"] == b"track-checkouts"


def test_an_entity_beyond_all_of_wixs_limits_is_told_and_the_stream_goes_on(whole: Whole) -> None:
    checkout = str(uuid.uuid4())
    lines = [MAXIMAL["lineItems"][0]] * 300 + [{}] * 5_000
    body = {**MAXIMAL, "lineItems": lines, "unknown": "x" * 150_000}
    whole.post(checkout, "created", dated(body, NOW, NOW))
    (value,) = whole.wait_for(checkout, "abandoned")
    assert len(value["line_items"]) == 300
    assert value["item_count"] == 900


def test_the_newest_rates_of_the_site_count_what_was_posted(whole: Whole) -> None:
    def newest() -> dict[str, Any]:
        found = {}
        for message in read_all(whole.stack.settings, CONVERSION):
            ConversionV1.model_validate_json(message.value() or b"")
            if message.key() == whole.site.encode():
                found = json.loads(message.value() or b"")
        return found

    before = newest()["windows"][1]["flow"] if newest() else {"abandoned": 0, "recovered": 0}
    for number in range(10):
        checkout = str(uuid.uuid4())
        whole.post(checkout, "created", dated(MAXIMAL, NOW, NOW))
        if number % 2:
            bought = {**MAXIMAL, "status": "RECOVERED"}
            whole.post(checkout, "recovered", dated(bought, NOW, NOW + timedelta(seconds=1)))
    wanted = {"abandoned": before["abandoned"] + 10, "recovered": before["recovered"] + 5}
    wait_until(
        lambda: {n: newest()["windows"][1]["flow"][n] for n in wanted} == wanted,
        20,
        lambda: json.dumps(newest()["windows"][1]["flow"]),
    )


def test_an_open_page_is_told_of_a_webhook_and_of_the_numbers_that_it_changed(
    whole: Whole,
) -> None:
    checkout = str(uuid.uuid4())
    address = f"{whole.stack.api_url}/v1/live"
    headers = {"Authorization": whole.stack.api_token}
    with httpx.stream("GET", address, headers=headers, timeout=30) as stream:
        lines = stream.iter_lines()
        until(lines, "hello", lambda _: True)
        time.sleep(1)  # the page looks at what comes after it has begun
        whole.post(checkout, "created", dated(MAXIMAL, NOW, NOW))
        told = until(lines, "abandonment", lambda data: data["abandoned_checkout_id"] == checkout)
        assert (told["at"], told["instance_id"]) == (milliseconds(NOW), whole.site)
        until(lines, "overview", lambda _: True)
    (site,) = whole.stack.ask_api(f"/v1/overview/sites?search={whole.site}")["sites"]
    overview = whole.stack.ask_api(f"/v1/overview?site={whole.site}")
    assert site["abandoned"] == overview["windows"][-1]["cohort"]["abandoned"]
    (told_of, *_) = [
        one
        for one in whole.stack.ask_api("/v1/overview/series?window=24h")["points"]
        if one["abandoned"]
    ]
    assert told_of["rate"] is not None


def test_operators_see_workers_throughput_delay_lag_and_dead_letters(whole: Whole) -> None:
    whole.post(str(uuid.uuid4()), "created", {"createdDate": "the day before yesterday"})
    whole.post(str(uuid.uuid4()), "created", dated(MAXIMAL, NOW, NOW))
    seen: dict[str, Any] = {}

    def is_seen() -> bool:
        seen.clear()
        seen.update(whole.stack.ask_api("/v1/operations") or {})
        return bool(
            seen.get("delay", {}).get("count")
            and seen["dead_letters"]["is_complete"]
            and seen["dead_letters"]["by_reason"]
            and not any(one["lag"] > 100 for one in seen["lag"])
        )

    wait_until(is_seen, 60, lambda: json.dumps(seen))
    assert seen["problem"] is None
    assert seen["group_state"] == "stable"
    assert [worker["name"] for worker in seen["workers"]] == ["slot 0", "slot 1"]
    places = sorted((one["topic"], one["partition"]) for one in seen["lag"])
    assert places == sorted((topic, number) for topic in (SOURCE, FACTS) for number in range(8))
    assert {one["owner"] for one in seen["lag"]} == {"slot 0", "slot 1"}
    owned = {
        (one["topic"], one["partition"])
        for worker in seen["workers"]
        for one in worker["partitions"]
    }
    assert owned == set(places)
    assert seen["events_in_per_second"] > 0
    assert seen["events_out_per_second"] > 0
    assert 0 <= seen["delay"]["p50_ms"] <= seen["delay"]["p99_ms"] < 60_000
    (reason,) = seen["dead_letters"]["by_reason"]
    assert (reason["reason"], reason["stage"]) == ("entity_unreadable", "track-checkouts")
    assert reason["count"] == seen["dead_letters"]["total_24h"] >= 1
    assert seen["model_age_seconds"] < 60


def until(lines: Iterator[str], name: str, is_it: Callable[[Any], bool]) -> Any:
    """The data of the next event of that name that is the one; a beat comes every ten seconds."""
    deadline, event = time.monotonic() + 60, ""
    for line in lines:
        assert time.monotonic() < deadline, name
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: ") and event == name:
            data = json.loads(line.removeprefix("data: "))
            if is_it(data):
                return data
    raise AssertionError("the stream has ended")


def milliseconds(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
