"""The verdict on a run: independent of the workers, from what the log holds.

Announcements, facts and rates are judged by the audit, another formulation of the design. Here come
what else was promised: an end within a minute, offsets committed to the end, the tables equal to
what the audit makes of the log, and a fresh restore equal to the changelog.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.adapters import topics
from streams.adapters.kafka import client_config
from streams.adapters.reading import read_to_end
from streams.adapters.state import decode_checkout
from streams.demo.audit.counting import read_fact
from streams.demo.audit.evidence import Evidence, Unreadable, read_evidence
from streams.demo.audit.judge import audit
from streams.demo.audit.log import lag, read_logs
from streams.demo.audit.recompute import steps_of
from streams.demo.audit.times import Rules
from streams.runtime import RuntimeSettings
from streams.runtime.restore import Restore
from tests.chaos.installation import NEVER, direct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.config import Settings
    from streams.demo.audit.log import LogRecord
    from streams.demo.simulator.posting import Accepted
    from tests.chaos.installation import Installation

CATCH_UP_SECONDS: Final = 60.0
_REQUEST_SECONDS: Final = 30
_QUIET_SECONDS: Final = 3.0
_QUIET_LIMIT_SECONDS: Final = 60.0
_MOST: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
CHECKOUTS: Final = "checkout-recovery-checkouts-changelog"
COHORTS: Final = "checkout-recovery-cohorts-changelog"

Tables = dict[tuple[str, int], dict[bytes, bytes]]


@dataclass
class Verdict:
    """What a run came to. ``differences`` are in plain words; all counts must be 0."""

    lost: int = 0
    repeated: int = 0
    wrong: int = 0
    hung: int = 0
    caught_up_seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    exits: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.repeated or self.wrong or self.hung)

    def differ(self, text: str) -> None:
        """Note a difference, and of which kind it is."""
        self.differences.append(text)
        if "not published" in text or "has nothing" in text or "published 0 times" in text:
            self.lost += 1
        elif "more often" in text or "times" in text:
            self.repeated += 1
        else:
            self.wrong += 1


def wait_until_done(
    installation: Installation, verdict: Verdict, *, is_stock: bool = False
) -> None:
    """Wait until nothing is left to do, and until nothing more is said."""
    started = time.monotonic()
    while (behind := _behind(installation.settings, is_stock=is_stock)) != 0:
        if time.monotonic() - started > CATCH_UP_SECONDS:
            verdict.hung = 1
            verdict.differences.append(
                f"{CATCH_UP_SECONDS:.0f} s after the last fault {behind} records are not processed"
            )
            return
        time.sleep(0.25)
    verdict.caught_up_seconds = time.monotonic() - started
    quiet_since, seen = time.monotonic(), -1
    while time.monotonic() - quiet_since < _QUIET_SECONDS:
        now = _published(installation.settings)
        if now != seen:
            quiet_since, seen = time.monotonic(), now
        if time.monotonic() - started > CATCH_UP_SECONDS + _QUIET_LIMIT_SECONDS:
            verdict.hung = 1
            verdict.differences.append("the workers go on publishing though nothing comes in")
            return
        time.sleep(0.2)


def judge(
    installation: Installation, accepted: Sequence[Accepted], verdict: Verdict, *, is_stock: bool
) -> None:
    """Compare everything; the workers have stopped."""
    settings = installation.settings
    logs = read_logs(settings)
    report = audit(logs, accepted, most=_MOST)
    verdict.counts = dict(report.counts)
    for text in report.differences:
        if not (is_stock and "rates" in text):  # it has no agent for them
            verdict.differ(text)
    tables = _fold(settings)
    _judge_checkouts(logs.source, tables, verdict)
    if not is_stock:
        _judge_restore(settings, tables, verdict)
    behind = _uncommitted(settings, [*logs.source, *([] if is_stock else logs.facts)])
    if behind and not verdict.hung:
        verdict.differ(f"{behind} records are not committed")
    verdict.exits = installation.exits()
    for code in NEVER:
        if verdict.exits[code.name]:
            verdict.differ(f"a worker ended with {code.name}: {code.meaning}")


def _behind(settings: Settings, *, is_stock: bool) -> int | None:
    """Records that are not committed past; None if Kafka could not say."""
    sources = [topics.SOURCE] if is_stock else [topics.SOURCE, topics.FACTS]
    try:
        return lag(direct(settings), topics.GROUP, sources)
    except KafkaException:
        return None


def _uncommitted(settings: Settings, records: Sequence[LogRecord]) -> int:
    """Those that the group has not committed past: not ticks, nor what a transaction leaves.

    A tick may come while the workers end, and so may the mark of a transaction that the broker
    aborts at its timeout, of a killed worker without a slot.
    """
    asker = Consumer({**direct(settings), "group.id": topics.GROUP, "enable.auto.commit": False})
    wanted = {(record.topic, record.partition) for record in records}
    found = asker.committed([TopicPartition(*at) for at in sorted(wanted)], _REQUEST_SECONDS)
    asker.close()
    committed = {(at.topic, at.partition): at.offset for at in found}
    return sum(
        record.offset >= committed[record.topic, record.partition]
        for record in records
        if record.topic != topics.FACTS or read_fact(record).fact is not None
    )


def _published(settings: Settings) -> int:
    """How many rates have been published; ticks don't count."""
    return sum(1 for _ in read_to_end(client_config(settings), topics.CONVERSION))


def _fold(settings: Settings) -> Tables:
    """The tables as their changelogs say."""
    tables: Tables = {}
    for changelog in (CHECKOUTS, COHORTS):
        for message in read_to_end(client_config(settings), changelog):
            table = tables.setdefault((changelog, message.partition() or 0), {})
            key, value = message.key() or b"", message.value()
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
    return tables


def _judge_checkouts(source: Sequence[LogRecord], tables: Tables, verdict: Verdict) -> None:
    """The table of checkouts says of each what the audit's own formulation says."""
    events: dict[tuple[int, str], list[Evidence]] = {}
    for record in source:
        try:
            event = read_evidence(record)
        except Unreadable:
            continue
        events.setdefault((record.partition, event.checkout), []).append(event)
    state = {
        (number, key.decode()): value
        for (changelog, number), table in tables.items()
        if changelog == CHECKOUTS
        for key, value in table.items()
    }
    verdict.counts["checkouts in the table"] = len(state)
    for missing in events.keys() - state.keys():
        verdict.differ(f"the state of checkout {missing[1]} is not published in the changelog")
    for place, value in state.items():
        if place not in events:
            verdict.differ(f"the state of checkout {place[1]} follows from nothing")
            continue
        after = steps_of(events[place], Rules())[-1].after
        knowledge = decode_checkout(value).knowledge
        found = (
            knowledge.abandoned_at,
            knowledge.recovered_at,
            knowledge.deleted_at,
            knowledge.origination.site.instance_id,
        )
        right = (
            _moment(after.abandoned_at),
            _moment(after.recovered_at),
            _moment(after.deleted_at),
            after.site.instance,
        )
        if found != right:
            verdict.differ(f"the state of checkout {place[1]} is {found}, should be {right}")


def _judge_restore(settings: Settings, tables: Tables, verdict: Verdict) -> None:
    """A worker that starts now finds what the changelogs say."""
    runtime = RuntimeSettings(client=client_config(settings), group=topics.GROUP)
    numbers = {number for _, number in tables}
    sources = {(topic, number) for topic in (topics.SOURCE, topics.FACTS) for number in numbers}
    restore = Restore(runtime, {CHECKOUTS, COHORTS}, sources)
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while not restore.step():
        if time.monotonic() > deadline:
            restore.give_up()
            verdict.hung = 1
            verdict.differences.append("a fresh restore does not end")
            return
    restored = {place: dict(store) for place, store in restore.stores.items() if store}
    if restored != {place: table for place, table in tables.items() if table}:
        verdict.differ("a fresh restore is not what the changelogs say")


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def table(rows: Sequence[tuple[str, object]], *, tell: Callable[[str], None]) -> None:
    """Print names and values."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        tell(f"  {name:<{width}}  {value}")
