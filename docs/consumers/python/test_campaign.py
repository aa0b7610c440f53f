"""The CRM team's own tests: every story of the package, played to the campaign without Kafka."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from campaign import Campaign
from checkout_recovery_schemas.consumer import Record, parse
from checkout_recovery_schemas.scenarios import DELAY, Scenario

if TYPE_CHECKING:
    from pathlib import Path


def test_the_campaign_does_what_the_story_asks(checkout_scenario: Scenario, tmp_path: Path) -> None:
    for act in checkout_scenario.acts:
        database = sqlite3.connect(tmp_path / "campaign.sqlite")  # each act after a restart
        campaign = Campaign(database, delay=DELAY)
        done = []
        for record in act.records:
            done += campaign.handle(record, now=act.now)
        done += campaign.due(now=act.now)
        database.commit()
        database.close()
        assert done == list(act.actions)


def test_every_golden_record_is_read(golden_records: dict[str, Record]) -> None:
    assert golden_records
    for record in golden_records.values():
        event = parse(record)
        assert event is not None
        assert event.event_id == record.event_id
