"""The committed examples of the contracts: made by the product from webhooks as Wix sends them.

``python -m tests.support.examples`` writes them anew; a test compares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.adapters.dead_letters import dead_letter_headers
from streams.adapters.errors import InvalidMessage
from streams.adapters.source_topic import source_record
from streams.adapters.wix import Webhook, read_webhook
from streams.config import load_settings
from streams.domain.events import Origin
from streams.domain.law import Law
from streams.worker.measuring import Measuring
from streams.worker.metrics import WorkerMetrics
from streams.worker.records import Incoming, Outgoing, Target
from streams.worker.tracking import Tracking
from tests.support.entities import START, guest, guid, instant, largest, member, tokyo

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY = Path(__file__).parents[2] / "schemas" / "examples"
SOURCE = "wix.abandoned-checkouts.v1"
SITE = "0f4b9e53-7c1d-4a58-9a8c-2f6d1b7e4c10"
WIX_SITE = "b7a1f2c8-3d4e-4f5a-8b9c-0d1e2f3a4b5c"
ACCOUNT = "7c2e9d41-5b6a-4c3d-9e8f-1a2b3c4d5e6f"
#: Longer examples are written on one line, as they are on the wire.
MAX_READABLE = 100_000
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass(frozen=True)
class Step:
    """One webhook of a scenario: ``name`` becomes the file's."""

    name: str
    slug: str
    minutes: float
    entity: dict[str, Any] | None
    is_anonymize: bool = False
    has_sequence: bool = True


SENT = [
    {"createdDate": instant(15), "type": "SCHEDULED"},
    {"createdDate": instant(60), "type": "EMAIL_SENT"},
]
TYPED = {"visitorId": guid(0x103), "email": "anna@mail.example"}
STEPS = (
    Step("guest-without-email", "created", 1, guest(minutes=1)),
    Step("guest-typed-email", "updated", 4, guest(minutes=4, buyerInfo=TYPED)),
    Step("guest-reminded", "updated", 61, guest(minutes=61, buyerInfo=TYPED, activities=SENT)),
    Step(
        "guest-recovered",
        "recovered",
        95,
        guest(
            minutes=95,
            buyerInfo=TYPED,
            activities=SENT,
            status="RECOVERED",
            checkoutRecoveredDate=instant(95),
        ),
    ),
    Step("member-cart", "created", 121, member(minutes=121)),
    Step("member-deleted", "deleted", 500, member(minutes=500), has_sequence=False),
    Step("late-recovered-first", "recovered", 700, tokyo(minutes=700, status="RECOVERED")),
    Step("late-created", "created", 120, tokyo(minutes=120), has_sequence=False),
    Step(
        "guest-anonymized",
        "updated",
        800,
        {
            **guest(minutes=800, status="RECOVERED", checkoutRecoveredDate=instant(95)),
            "buyerInfo": {},
            "checkoutUrl": None,
        },
        is_anonymize=True,
    ),
    Step("minimal", "created", 900, {"id": guid(4), "status": "ABANDONED"}),
    Step("deleted-unknown", "deleted", 950, None, has_sequence=False),
    Step("largest", "created", 1001, largest(minutes=1001)),
)


def wix_event(number: int, step: Step) -> dict[str, Any]:
    """The domain event, as Wix sends it."""
    members: dict[str, dict[str, Any]] = {
        "created": {"createdEvent": {"entity": step.entity}},
        "updated": {"updatedEvent": {"currentEntity": step.entity}},
        "recovered": {"actionEvent": {"body": {"abandonedCheckout": step.entity}}},
        "deleted": {"deletedEvent": {"deletedEntity": step.entity} if step.entity else {}},
    }
    event: dict[str, Any] = {
        "id": guid(0xE000 + number),
        "entityFqdn": "wix.ecom.v1.abandoned_checkout",
        "slug": step.slug,
        "entityId": step.entity["id"] if step.entity else guid(5),
        **members[step.slug],
        "eventTime": instant(step.minutes, digits="microseconds"),
        "triggeredByAnonymizeRequest": step.is_anonymize,
    }
    if step.has_sequence:
        event["entityEventSequence"] = str(number + 1)
    return event


def webhook(number: int, step: Step) -> Webhook:
    """What the ingress reads out of the token."""
    event = wix_event(number, step)
    claims = {
        "data": json.dumps(
            {
                "data": json.dumps(event, ensure_ascii=False, separators=(",", ":")),
                "instanceId": SITE,
                "eventType": f"wix.ecom.v1.abandoned_checkout_{step.slug}",
                "identity": json.dumps({"identityType": "WIX_USER", "wixUserId": ACCOUNT}),
                "accountInfo": {"accountId": ACCOUNT, "siteId": WIX_SITE},
            }
        )
    }
    found = read_webhook(claims)
    assert isinstance(found, Webhook)
    return found


def records() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Topic, name and content of every example."""
    settings = load_settings()
    law = Law(settings.windows, settings.horizon, settings.announce_within)
    metrics = WorkerMetrics()
    tracking, measuring = Tracking(law, metrics), Measuring(law, metrics)
    checkouts: dict[bytes, bytes] = {}
    cohorts: dict[bytes, bytes] = {}
    facts = 0
    newest: Outgoing | None = None
    for number, step in enumerate(STEPS):
        received = START + timedelta(minutes=max(step.minutes, 0), seconds=1)
        if step.name == "late-created":
            received = START + timedelta(minutes=705)
        source = source_record(
            webhook(number, step), origin=Origin.WEBHOOK, received_at=received, traceparent=TRACE
        )
        yield (
            SOURCE,
            f"{number + 1:02d}-{step.name}",
            shown(source.key, source.value, list(source.headers)),
        )
        incoming = Incoming(
            SOURCE, 0, number, source.key, source.value, [*source.headers], source.timestamp_ms
        )
        for outgoing in tracking.process(incoming, checkouts):
            if outgoing.target is Target.FACTS:
                where = (Target.FACTS.value, 0, facts)
                fact = Incoming(*where, outgoing.key, outgoing.value, [], source.timestamp_ms)
                facts += 1
                published = measuring.process(fact, cohorts)
                newest = published[-1] if published else newest
            else:
                kind = json.loads(outgoing.value or b"")["type"].removeprefix("checkout.")
                yield (
                    outgoing.target.value,
                    f"{number + 1:02d}-{kind}-{step.name}",
                    shown(outgoing.key, outgoing.value, outgoing.headers),
                )
    assert newest is not None
    yield newest.target.value, "site", shown(newest.key, newest.value, newest.headers)
    yield "checkout-recovery.dead-letters.v1", "site-missing", dead_letter()


def dead_letter() -> dict[str, Any]:
    """A genuine event without an instance id, as the ingress keeps it."""
    event = json.dumps({"id": guid(0xEEEE), "entityId": guid(9), "slug": "created"})
    claims = {"data": json.dumps({"data": event}), "iat": 1_773_480_413}
    try:
        read_webhook(claims)
    except InvalidMessage as invalid:
        headers = dead_letter_headers(
            [("content-type", b"application/json")],
            reason=invalid.reason,
            stage="ingress",
            at=START,
        )
        return shown(None, json.dumps(claims).encode(), headers)
    raise AssertionError("an event without a site was read")


def shown(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> dict[str, Any]:
    """A record as people can read it; the value's bytes are those of compact JSON."""
    assert value is not None
    return {
        "key": key.decode() if key is not None else None,
        "headers": {name: (text or b"").decode() for name, text in headers},
        "value": json.loads(value),
    }


def text_of(content: dict[str, Any]) -> str:
    """As people can read it, unless nobody would."""
    readable = json.dumps(content, ensure_ascii=False, indent=2)
    if len(readable) > MAX_READABLE:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"
    return readable + "\n"


def main() -> None:
    for file in DIRECTORY.rglob("*.json"):
        file.unlink()
    for topic, name, content in records():
        file = DIRECTORY / topic / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text_of(content), "utf-8")


if __name__ == "__main__":
    main()
