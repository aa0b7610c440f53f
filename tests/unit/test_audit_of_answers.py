"""The audit of the API's answers is silent where they are the topics', and names what differs."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from streams.demo.audit.answers import judge_answers
from streams.demo.simulator.platform import Options, Platform, past
from tests.support.builders import T0
from tests.support.whole import Whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.demo.audit.log import Logs

    Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def logs() -> Logs:
    whole = Whole(Random(3))
    for sending in Platform(Options(seed=3, sites=2), T0).sendings(
        past(Random(3), T0, days=2, count=25)
    ):
        whole.post(sending, received_at=sending.at)
    return whole.finish(T0 + timedelta(hours=1))


def answers(logs: Logs) -> dict[str, Any]:
    """What an API that is right answers."""
    right: dict[str, Any] = {
        f"/v1/sites/{record.key}/conversion": json.loads(record.value) for record in logs.conversion
    }
    letters = {
        (letter.headers.get("dead_letter_partition"), letter.headers.get("dead_letter_offset"))
        for letter in logs.dead_letters
    }
    for record in logs.source:
        if (str(record.partition), str(record.offset)) in letters:
            continue
        timeline = right.setdefault(
            f"/v1/checkouts/{record.key}/timeline",
            {"status": None, "is_deleted": False, "is_anonymized": False, "entries": []},
        )
        position = f"{record.topic}-{record.partition}-{record.offset}"
        timeline["entries"].append({"what": "received", "position": position})
    records = [answer for path, answer in right.items() if path.endswith("/conversion")]
    right["/v1/overview"] = {
        "sites": len(records),
        "windows": [summed([record["windows"][n] for record in records]) for n in range(4)],
    }
    for record in logs.events:
        event = json.loads(record.value)
        timeline = right[f"/v1/checkouts/{record.key}/timeline"]
        timeline["entries"].append({"what": "announced", "event_id": event["event_id"]})
        timeline["status"] = event["status"]
        timeline["is_deleted"] |= event["type"] == "checkout.deleted"
        timeline["is_anonymized"] |= event["type"] == "checkout.anonymized"
    return right


def summed(windows: list[Any]) -> dict[str, Any]:
    """A window of the overview, as far as it is judged."""
    money: dict[str, Any] = {}
    for value in (value for window in windows for value in window["money"]):
        known = money.setdefault(value["currency"], {"currency": value["currency"]})
        for name in ("abandoned", "recovered", "open"):
            known[name] = str(Decimal(known.get(name, "0")) + Decimal(value[name]))
    return {
        "window": windows[0]["window"],
        **{
            kind: {
                name: sum(window[kind][name] for window in windows)
                for name in ("abandoned", "recovered")
            }
            for kind in ("flow", "cohort", "matured")
        },
        "money": list(money.values()),
    }


def test_what_is_right_is_equal_and_counted(logs: Logs) -> None:
    report = judge_answers(answers(logs).get, logs, Random(1))
    assert report.differences == []
    assert report.counts["sites asked of the API"] == 2
    assert report.counts["sites summed by the API"] == 2
    assert report.counts["timelines asked of the API"] > 15


def recovered(given: dict[str, Any]) -> str:
    return next(
        path
        for path, answer in given.items()
        if path.endswith("timeline") and answer["status"] == "RECOVERED"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda given: given.pop(next(iter(given))), "no rates of the site"),
        (lambda given: next(iter(given.values()))["windows"].pop(), "not those of the topic"),
        (lambda given: given.pop("/v1/overview"), "no overview"),
        (lambda given: given["/v1/overview"].update(sites=3), "not the sum"),
        (lambda given: given["/v1/overview"]["windows"][3]["money"].pop(), "not the sum"),
        (
            lambda given: given["/v1/overview"]["windows"][3]["cohort"].update(recovered=0),
            "not the sum",
        ),
        (lambda given: given.pop(recovered(given)), "does not know the checkout"),
        (lambda given: given[recovered(given)]["entries"].pop(0), "other events"),
        (lambda given: given[recovered(given)]["entries"].pop(), "other announcements"),
        (lambda given: given[recovered(given)].update(status="ABANDONED"), "was announced"),
    ],
)
def test_what_is_wrong_is_named(logs: Logs, change: Change, words: str) -> None:
    given = copy.deepcopy(answers(logs))
    change(given)
    [difference] = judge_answers(given.get, logs, Random(1)).differences
    assert words in difference
