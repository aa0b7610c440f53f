"""What came in and went out in the last minute, whatever process took it in, on both databases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from streams.adapters.database.engines import reading_engine, writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.instants import format_instant
from streams.adapters.topics import EVENTS, SOURCE
from streams.api.metrics import ApiMetrics
from streams.api.model import Model, Place, Record
from streams.api.model.traffic import SLOT_SECONDS, slot_of
from streams.api.operations.flow import flow
from tests.support.databases import PostgreSQL, sqlite_database
from tests.support.records import source

if TYPE_CHECKING:
    from pathlib import Path

DELAY = timedelta(milliseconds=120)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        found = sqlite_database(tmp_path)
    else:
        server: PostgreSQL = request.getfixturevalue("postgres")
        found = server.new_database()
    engine = writing_engine(found)
    migrate(engine)
    engine.dispose()
    return found


def announcement(offset: int, partition: int, at: datetime, *, origin: str = "webhook") -> Record:
    value: dict[str, Any] = {
        "event_id": f"a-{partition}-{offset}",
        "type": "checkout.abandoned",
        "revision": 1,
        "source_event_id": "e",
        "abandoned_checkout_id": f"c-{partition}-{offset}",
        "occurred_at": format_instant(at),
        "recorded_at": format_instant(at - DELAY),
        "origin": origin,
    }
    milliseconds = int(at.timestamp() * 1000)
    return Record(
        Place(EVENTS, partition), offset, b"c", json.dumps(value).encode(), [], milliseconds
    )


def before(now: datetime, seconds: float) -> datetime:
    """An instant about so long before."""
    slots = slot_of(now) - int(seconds // SLOT_SECONDS)
    return datetime.fromtimestamp(slots * SLOT_SECONDS + 1, UTC)


async def test_processes_that_share_a_database_are_counted_together(url: str) -> None:
    now = datetime.now(UTC)
    engines = [writing_engine(url) for _ in range(2)]
    for number, engine in enumerate(engines):
        model = Model(engine, ApiMetrics())
        model.begin([Place(SOURCE, number), Place(EVENTS, number)])
        events = [
            source(offset, "created", partition=number, received=before(now, 20))
            for offset in range(30)
        ]
        news = [announcement(offset, number, before(now, 15)) for offset in range(12)]
        news.append(announcement(12, number, before(now, 15), origin="backfill"))
        long_ago = before(now, 3600)
        news.append(announcement(13, number, long_ago))
        model.apply([*events, *news])
        # what was written is counted with the next that is written
        model.apply([source(30, "created", partition=number, received=long_ago)])
    reading = reading_engine(url)
    found = await flow(reading, now=now)
    assert found["events_in_per_second"] == 1.0
    assert found["events_out_per_second"] == round(26 / 60, 2)
    assert (found["delay"]["count"], found["delay"]["over_seconds"]) == (24, 60)
    for name in ("p50_ms", "p99_ms"):
        assert 120 * (1 - 1 / 32) <= found["delay"][name] <= 120
    later = await flow(reading, now=now + timedelta(minutes=5))
    assert later["events_in_per_second"] == 0
    assert later["delay"]["p50_ms"] is None
    await reading.dispose()
    for engine in engines:
        engine.dispose()
