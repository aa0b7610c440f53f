"""Why a customer got a mail: what we received of a checkout, what it changed, what we announced."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping, select
from starlette.responses import Response

from streams.adapters.database.columns import NO_INSTANT, instant_of
from streams.adapters.database.tables import ANNOUNCEMENTS, CHECKOUTS, RECEIVED_EVENTS
from streams.adapters.instants import format_instant
from streams.adapters.topics import EVENTS, SOURCE
from streams.api import wire
from streams.api.dependencies import Parts, Reader
from streams.api.errors import ApiError

router: Final = APIRouter(tags=["Checkouts"])

#: Wix keeps 20 activities of a checkout; a thousand events are a fault of a sender's.
_MOST: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Received(BaseModel):
    """An event that we received."""

    what: Literal["received"] = Field(description="An event came in.")
    at: str = Field(description="When we received it.")
    position: str = Field(description="Topic, partition and offset.")
    event_id: str = Field(description="Wix's id of the event; the same on every resend.")
    kind: Literal["created", "updated", "recovered", "deleted"] = Field(description="Its news.")
    origin: Literal["webhook", "backfill", "replay", "operator"] = Field(
        description="How it came to us."
    )
    happened_at: str = Field(description="When it happened, as the event says.")
    is_anonymize_request: bool = Field(description="Wix asked for the erasure of personal data.")
    is_repeat: bool = Field(description="The same event had been received before.")
    effect: Literal["first", "changed", "known", "nothing"] = Field(
        description="first: we had not heard of the checkout; changed: its answer is another now; "
        "known: it told what the answer does not show, such as older news; nothing: all was known."
    )
    changed_fields: list[str] = Field(
        description="Which fields of the answer are others now; also anonymized, deleted, site."
    )


class Announced(BaseModel):
    """A lifecycle event that we published."""

    what: Literal["announced"] = Field(description="Subscribers were told.")
    at: str = Field(description="When Kafka had it.")
    position: str = Field(description="Topic, partition and offset.")
    event_id: str = Field(description="Of the lifecycle event.")
    type: str = Field(description="checkout.abandoned, checkout.recovered …")
    revision: int = Field(description="Counts the lifecycle events of the checkout, from 1.")
    happened_at: str = Field(description="When it happened at the shop.")
    source_event_id: str = Field(description="The received event that led to it.")
    changed_fields: list[str] = Field(description="Of checkout.changed: what subscribers see.")


class Timeline(BaseModel):
    """Everything about one checkout, in order; nothing personal."""

    abandoned_checkout_id: str = Field(description="The checkout.")
    instance_id: str = Field(description="The site.")
    site_id: str | None = Field(description="Wix's own id of the site.")
    status: str | None = Field(description="ABANDONED or RECOVERED.")
    abandoned_at: str | None = Field(description="createdDate of the answer.")
    recovered_at: str | None = Field(description="When the buyer bought, as far as we know.")
    is_deleted: bool = Field(description="A deletion is known.")
    is_anonymized: bool = Field(description="An erasure is known.")
    entries: list[Received | Announced] = Field(
        description="In the order of the topic; what was announced follows what led to it. At most "
        "1,000 of each."
    )


@router.get(
    "/v1/checkouts/{checkout_id}/timeline", response_model=Timeline, responses=wire.errors(404)
)
async def timeline(
    checkout_id: Annotated[str, Path(description="Abandoned checkout id.", max_length=512)],
    caller: Reader,
    services: Parts,
) -> Response:
    """All events that we received for a checkout, what each changed, and what we announced when.

    Kept longer than the topics keep their records: since the database was made.
    """
    name = checkout_id.lower()
    received, announced = RECEIVED_EVENTS.c, ANNOUNCEMENTS.c
    async with services.engine.connect() as connection:
        found = await connection.execute(
            select(CHECKOUTS).where(
                CHECKOUTS.c.abandoned_checkout_id == name, caller.condition(CHECKOUTS)
            )
        )
        checkout = found.mappings().first()
        if checkout is None:
            raise ApiError(404, "NOT_FOUND", "no such checkout")
        events = await connection.execute(
            select(RECEIVED_EVENTS)
            .where(received.abandoned_checkout_id == name)
            .order_by(received.partition, received.offset)
            .limit(_MOST)
        )
        ours = await connection.execute(
            select(ANNOUNCEMENTS)
            .where(announced.abandoned_checkout_id == name)
            .order_by(announced.revision)
            .limit(_MOST)
        )
        entries = _in_order(
            _received(events.mappings(), services.settings.topic(SOURCE)),
            [_announced(row, services.settings.topic(EVENTS)) for row in ours.mappings()],
        )
    answer = {
        "abandoned_checkout_id": name,
        "instance_id": checkout["instance_id"],
        "site_id": checkout["site_id"],
        "status": checkout["status"],
        "abandoned_at": _optional(checkout["created_at"]),
        "recovered_at": _optional(checkout["recovered_at"]),
        "is_deleted": checkout["is_deleted"],
        "is_anonymized": checkout["is_anonymized"],
        "entries": entries,
    }
    return Response(orjson.dumps(answer), media_type="application/json")


def _in_order(received: list[dict[str, Any]], announced: list[dict[str, Any]]) -> list[Any]:
    """Announcements right behind the first receipt of what led to them; if it is unknown, by time.

    By time alone an announcement could stand before its cause: the clocks are of two machines.
    """
    behind: dict[int, list[dict[str, Any]]] = {}
    for item in announced:
        causes = [
            number
            for number, event in enumerate(received)
            if event["event_id"] == item["source_event_id"]
        ]
        earlier = [number for number, event in enumerate(received) if event["at"] <= item["at"]]
        place = causes[0] if causes else earlier[-1] if earlier else -1
        behind.setdefault(place, []).append(item)
    entries = list(behind.get(-1, ()))
    for number, event in enumerate(received):
        entries.append(event)
        entries.extend(behind.get(number, ()))
    return entries


def _received(rows: Any, topic: str) -> list[dict[str, Any]]:  # noqa: ANN401  # SQLAlchemy's result
    seen: set[str] = set()
    entries = []
    for row in rows:
        entries.append(
            {
                "what": "received",
                "at": _instant(row["received_at"]),
                "position": f"{topic}-{row['partition']}-{row['offset']}",
                "event_id": row["event_id"],
                "kind": row["kind"],
                "origin": row["origin"],
                "happened_at": _instant(row["event_at"]),
                "is_anonymize_request": row["is_anonymize_request"],
                "is_repeat": row["event_id"] in seen,
                "effect": row["effect"],
                "changed_fields": orjson.loads(row["changed"]),
            }
        )
        seen.add(row["event_id"])
    return entries


def _announced(row: RowMapping, topic: str) -> dict[str, Any]:
    return {
        "what": "announced",
        "at": _instant(row["announced_at"]),
        "position": f"{topic}-{row['partition']}-{row['offset']}",
        "event_id": row["event_id"],
        "type": row["type"],
        "revision": row["revision"],
        "happened_at": _instant(row["occurred_at"]),
        "source_event_id": row["source_event_id"],
        "changed_fields": orjson.loads(row["changed"]),
    }


def _instant(key: int) -> str:
    return format_instant(instant_of(key) or _EPOCH)


def _optional(key: int) -> str | None:
    return None if key == NO_INSTANT else _instant(key)
