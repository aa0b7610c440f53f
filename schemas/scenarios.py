"""Scenarios: what may happen to a checkout, act by act, and what a campaign must do about it.

A scenario is played to a subscriber's own code, without Kafka. Times are explicit: in each act some
records arrive, then the clock stands at ``now``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from .consumer import Record
from .golden import record

_DIRECTORY = Path(__file__).with_name("scenarios")
#: How long the campaign of the scenarios waits before it starts.
DELAY = timedelta(hours=1)


@dataclass(frozen=True)
class Act:
    """Records that arrive one after the other, and the time when all of them have.

    ``actions`` are what a campaign does by then, in order, as words: ``start CHECKOUT SUBJECT``,
    ``stop CHECKOUT REASON``, ``skip CHECKOUT REASON``, ``erase CHECKOUT SUBJECT`` (``-``: unknown).
    """

    now: datetime
    records: tuple[Record, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """A story with its name and its point."""

    name: str
    tells: str
    acts: tuple[Act, ...]

    @property
    def actions(self) -> list[str]:
        """What a campaign does in all acts."""
        return [action for act in self.acts for action in act.actions]

    def play(
        self,
        handle: Callable[[Record], None],
        wait_until: Callable[[datetime], None] = lambda _now: None,
    ) -> None:
        """Hand every record to ``handle``; after those of an act tell ``wait_until`` the time."""
        for act in self.acts:
            for one in act.records:
                handle(one)
            wait_until(act.now)


def scenarios() -> dict[str, Scenario]:
    """All scenarios by name."""
    found = (_load(file) for file in sorted(_DIRECTORY.glob("*.json")))
    return {scenario.name: scenario for scenario in found}


def _load(file: Path) -> Scenario:
    content = json.loads(file.read_text("utf-8"))
    acts = []
    offset = 0
    for act in content["acts"]:
        records = _records(act["records"], offset)
        offset += len(records)
        now = datetime.strptime(act["now"], "%Y-%m-%dT%H:%M:%S.%f%z")
        acts.append(Act(now=now, records=records, actions=tuple(act["actions"])))
    return Scenario(name=file.stem, tells=content["tells"], acts=tuple(acts))


def _records(contents: Iterable[dict[str, object]], offset: int) -> tuple[Record, ...]:
    return tuple(record(content, offset=at) for at, content in enumerate(contents, start=offset))
