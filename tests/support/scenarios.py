"""The committed scenarios: the product makes their records, their actions are written by hand.

``python -m tests.support.scenarios`` writes them anew; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.adapters.source_topic import source_record
from streams.config import load_settings
from streams.domain.events import Origin
from streams.domain.law import Law
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Target
from streams.worker.tracking import Tracking
from tests.support.entities import START, guid, instant, price
from tests.support.examples import SOURCE, TRACE, Step, shown, text_of, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY = Path(__file__).parents[2] / "schemas" / "scenarios"
#: When the clock stands still at the end of each act, in minutes after the start.
NOW = (120.0, 360.0, 720.0)
WEEK = 7 * 24 * 60.0
#: When a shopper left, in minutes after the start, if not then.
LEFT = {2: 90, 3: 90, 11: 30 - WEEK, 14: 10, 15: 20, 18: 150}
SENT = [{"createdDate": instant(150), "type": "EMAIL_SENT"}]
SCHEDULED = [{"createdDate": instant(1), "type": "SCHEDULED"}]


@dataclass(frozen=True)
class Again:
    """The record of that number of the scenario arrives once more, byte for byte."""

    number: int


@dataclass(frozen=True)
class Newer:
    """The record of that number as a later release may write it."""

    number: int
    changes: dict[str, Any]


Arrival = Step | Again | Newer


@dataclass(frozen=True)
class Act:
    arrivals: list[Arrival]
    actions: list[str]


@dataclass(frozen=True)
class Story:
    name: str
    tells: str
    acts: list[Act]


def shopper(number: int, *, seen: float = 0, **changes: Any) -> dict[str, Any]:
    """The abandoned checkout of one more shopper, known by contact and e-mail."""
    return {
        "id": guid(0x1000 + number),
        "createdDate": instant(LEFT.get(number, 0)),
        "updatedDate": instant(seen),
        "checkoutId": guid(0x4000 + number),
        "cartId": guid(0x5000 + number),
        "status": "ABANDONED",
        "buyerLanguage": "en",
        "buyerInfo": {
            "visitorId": guid(0x2000 + number),
            "contactId": contact(number),
            "email": f"shopper{number}@mail.example",
        },
        "contactDetails": {"firstName": "Robin", "lastName": f"Shopper {number}"},
        "currency": "EUR",
        "totalPrice": price("42.00", "€"),
        "subtotalPrice": price("42.00", "€"),
        "checkoutUrl": f"https://tassen.example/checkout?checkoutId={number}",
        "lineItems": [
            {
                "id": "00000000-0000-0000-0000-000000000001",
                "quantity": 1,
                "productName": {"original": "Mug"},
                "price": price("42.00", "€"),
            }
        ],
        **changes,
    }


def contact(number: int) -> str:
    """Their contact id, by which a CRM knows them."""
    return guid(0x3000 + number)


def subject(number: int) -> str:
    """Their subject key."""
    return f"contact:{contact(number)}"


def checkout(number: int) -> str:
    return guid(0x1000 + number)


def left(number: int, **changes: Any) -> Step:
    minutes = max(0, LEFT.get(number, 0))
    return Step("left", "created", minutes, shopper(number, seen=minutes, **changes))


def changed(number: int, minutes: float, **changes: Any) -> Step:
    return Step("changed", "updated", minutes, shopper(number, seen=minutes, **changes))


def bought(number: int, minutes: float, **changes: Any) -> Step:
    body = shopper(number, seen=minutes, **changes)
    body |= {"status": "RECOVERED", "checkoutRecoveredDate": instant(minutes)}
    return Step("bought", "recovered", minutes, body)


def erased(number: int, minutes: float) -> Step:
    body = shopper(number, seen=minutes) | {"buyerInfo": {}, "contactDetails": {}}
    return Step("erased", "updated", minutes, body | {"checkoutUrl": None}, is_anonymize=True)


def deleted(number: int, minutes: float) -> Step:
    return Step("deleted", "deleted", minutes, shopper(number, seen=minutes))


def start(number: int, by: int | None = None) -> str:
    return f"start {checkout(number)} {subject(number if by is None else by)}"


def stop(number: int, why: str) -> str:
    return f"stop {checkout(number)} {why}"


def skip(number: int, why: str) -> str:
    return f"skip {checkout(number)} {why}"


def erase(number: int, by: str | None = None) -> str:
    return f"erase {checkout(number)} {by or subject(number)}"


GUEST = {"visitorId": guid(0x2000 + 9)}
TYPED = {**GUEST, "email": "guest9@mail.example"}
SAME = {"contactId": contact(14), "email": "shopper14@mail.example"}
LATER_TYPE = {"type": "checkout.reminded", "event_id": guid(0xF001), "reminder": {"step": 2}}
LATER_FIELDS = {"event_id": guid(0xF002), "loyalty": {"tier": "gold"}, "schema_hint": [1, 2]}

STORIES = (
    Story(
        "abandon-remind-recover",
        "The usual: the campaign starts an hour after the buyer left, and stops at the purchase.",
        [
            Act([left(1)], [start(1)]),
            Act(
                [changed(1, 150, activities=SENT), bought(1, 200, activities=SENT)],
                [stop(1, "recovered")],
            ),
        ],
    ),
    Story(
        "recover-within-the-delay",
        "Who buys before the campaign has begun gets no message.",
        [Act([left(2)], []), Act([bought(2, 100)], [skip(2, "recovered")])],
    ),
    Story(
        "start-after-the-delay",
        "The campaign starts when its delay is over, with no further event, also after a restart.",
        [Act([left(3)], []), Act([], [start(3)])],
    ),
    Story(
        "recover-first",
        "The purchase is the first that we hear: no campaign, whatever comes later.",
        [Act([bought(4, 5)], []), Act([left(4)], [])],
    ),
    Story(
        "repeat",
        "Records that come again, before and after a restart, change nothing.",
        [
            Act([left(5), Again(0)], [start(5)]),
            Act([Again(0), bought(5, 200), Again(1)], [stop(5, "recovered")]),
            Act([Again(0), Again(1)], []),
        ],
    ),
    Story(
        "anonymize",
        "A privacy request carries nothing personal: the map from checkout to profile is yours.",
        [
            Act([left(6)], [start(6)]),
            Act([erased(6, 200)], [stop(6, "anonymized"), erase(6)]),
            Act([Again(1)], []),
        ],
    ),
    Story(
        "anonymize-after-recovery",
        "Who bought may still ask to be forgotten.",
        [
            Act([left(16)], [start(16)]),
            Act([bought(16, 200)], [stop(16, "recovered")]),
            Act([erased(16, 400)], [erase(16)]),
        ],
    ),
    Story(
        "delete",
        "The shop deleted the checkout: stop, and erase.",
        [Act([left(7)], [start(7)]), Act([deleted(7, 200)], [stop(7, "deleted"), erase(7)])],
    ),
    Story(
        "delete-unknown",
        "An erasure of a checkout that was never told is told all the same.",
        [Act([deleted(17, 5)], [erase(17, "-")])],
    ),
    Story(
        "unknown-type-and-fields",
        "A later release writes a type and fields that nobody knows yet.",
        [
            Act([left(8), Newer(0, LATER_TYPE)], [start(8)]),
            Act([Newer(0, LATER_FIELDS), bought(8, 200)], [stop(8, "recovered")]),
        ],
    ),
    Story(
        "no-contact-yet",
        "Nobody can be reached, until the guest types an address.",
        [
            Act([left(9, buyerInfo=GUEST)], [skip(9, "no-contact")]),
            Act(
                [changed(9, 200, buyerInfo=TYPED)],
                [f"start {checkout(9)} visitor:{guid(0x2000 + 9)}"],
            ),
        ],
    ),
    Story(
        "staff",
        "The shop's owner tries out the checkout.",
        [Act([left(10, buyerInfo={"userId": guid(0x2000 + 10)})], [skip(10, "staff")])],
    ),
    Story(
        "expired",
        "The news comes almost a week late; when the delay is over, it is too late.",
        [
            Act(
                [left(11)],
                [skip(11, "expired")],
            )
        ],
    ),
    Story(
        "scheduled-by-wix",
        "Wix Automations will send: two messages are one too many.",
        [Act([left(12, activities=SCHEDULED)], [skip(12, "scheduled")])],
    ),
    Story(
        "no-link",
        "There is nowhere to lead the buyer to.",
        [Act([left(13, checkoutUrl=None)], [skip(13, "no-link")])],
    ),
    Story(
        "newest-of-a-person",
        "One campaign for one person: that of the newest checkout.",
        [
            Act(
                [left(14), left(15, buyerInfo=SAME)],
                [skip(14, "replaced"), start(15, by=14)],
            ),
            Act(
                [left(18, buyerInfo=SAME)],
                [stop(15, "replaced"), start(18, by=14)],
            ),
            Act([bought(18, 500, buyerInfo=SAME)], [stop(18, "recovered")]),
        ],
    ),
)


def told(step: Step, number: int, tracking: Tracking, state: dict[bytes, bytes]) -> list[Any]:
    """What the product publishes about one more webhook."""
    received = START + timedelta(minutes=step.minutes, seconds=1)
    source = source_record(
        webhook(number, step), origin=Origin.WEBHOOK, received_at=received, traceparent=TRACE
    )
    incoming = Incoming(
        SOURCE, 0, number, source.key, source.value, [*source.headers], source.timestamp_ms
    )
    return [
        shown(outgoing.key, outgoing.value, outgoing.headers)
        for outgoing in tracking.process(incoming, state)
        if outgoing.target is Target.EVENTS
    ]


def newer(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    value = {**content["value"], **changes}
    names = {"ce_id": value["event_id"], "ce_type": value["type"]}
    return {**content, "headers": {**content["headers"], **names}, "value": value}


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of every scenario."""
    settings = load_settings()
    law = Law(settings.windows, settings.horizon, settings.announce_within)
    webhooks = 0x1000
    for story in STORIES:
        tracking, state = Tracking(law, WorkerMetrics()), dict[bytes, bytes]()
        written: list[dict[str, Any]] = []
        acts = []
        for now, act in zip(NOW, story.acts, strict=False):
            arrived = []
            for arrival in act.arrivals:
                if isinstance(arrival, Again):
                    arrived.append(written[arrival.number])
                elif isinstance(arrival, Newer):
                    arrived.append(newer(written[arrival.number], arrival.changes))
                else:
                    webhooks += 1
                    made = told(arrival, webhooks, tracking, state)
                    arrived += made
                    written += made
            acts.append({"now": instant(now), "records": arrived, "actions": act.actions})
        yield story.name, {"tells": story.tells, "acts": acts}


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for file in DIRECTORY.glob("*.json"):
        file.unlink()
    for name, content in contents():
        (DIRECTORY / f"{name}.json").write_text(text_of(content), "utf-8")


if __name__ == "__main__":
    main()
