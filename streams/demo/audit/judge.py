"""Compares what was published with what the log says must have been."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streams.demo.audit.announcements import expect_announcements
from streams.demo.audit.rates import case_of, expect_rates
from streams.demo.audit.recompute import (
    MICROSECONDS,
    Evidence,
    evaluate,
    instant,
    read_evidence,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streams.demo.audit.log import LogRecord
    from streams.demo.simulator.posting import Accepted

_TOLERANCE: Final = 5 * 60 * MICROSECONDS
_MOST_DIFFERENCES: Final = 50


@dataclass(slots=True)
class Logs:
    """The topics, read to their ends."""

    source: Sequence[LogRecord]
    facts: Sequence[LogRecord]
    events: Sequence[LogRecord]
    conversion: Sequence[LogRecord]
    dead_letters: Sequence[LogRecord]


@dataclass(slots=True)
class AuditReport:
    """What was compared, and every difference in plain words (the first fifty)."""

    counts: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def differ(self, text: str) -> None:
        """Note a difference."""
        if len(self.differences) < _MOST_DIFFERENCES:
            self.differences.append(text)


def audit(logs: Logs, accepted: Iterable[Accepted], *, samples: int = 200) -> AuditReport:
    """Judge whole logs. Up to ``samples`` conversion records that are not the last are judged too.

    The workers must have caught up, and their last records be published.
    """
    report = AuditReport()
    evidence, unreadable = _read(logs.source)
    _judge_accepted(logs, accepted, report)
    if len(unreadable) != len(logs.dead_letters):
        report.differ(
            f"{len(unreadable)} source records can't be read, but "
            f"{len(logs.dead_letters)} dead letters were written"
        )
    by_checkout: dict[str, list[Evidence]] = defaultdict(list)
    for event in evidence:
        by_checkout[event.checkout].append(event)
    _judge_events(logs.events, by_checkout, report)
    _judge_rates(logs, by_checkout, report, samples)
    report.counts.update(
        {
            "source records": len(logs.source),
            "checkouts": len(by_checkout),
            "dead letters": len(logs.dead_letters),
        }
    )
    return report


def _read(records: Sequence[LogRecord]) -> tuple[list[Evidence], list[LogRecord]]:
    evidence, unreadable = [], []
    for record in records:
        try:
            evidence.append(read_evidence(record))
        except (ValueError, KeyError, TypeError, AttributeError):
            unreadable.append(record)
    return evidence, unreadable


def _judge_accepted(logs: Logs, accepted: Iterable[Accepted], report: AuditReport) -> None:
    places = {
        f"{record.topic}-{record.partition}-{record.offset}": record for record in logs.source
    }
    count = 0
    for webhook in accepted:
        count += 1
        record = places.get(webhook.position)
        if record is None:
            report.differ(
                f"the webhook {webhook.event_id} was answered 200 with {webhook.position}, "
                "where the log has nothing"
            )
        elif record.headers.get("ce_id") != webhook.event_id:
            report.differ(
                f"the webhook {webhook.event_id} was answered 200 with {webhook.position}, "
                f"where the log has {record.headers.get('ce_id')}"
            )
    report.counts["webhooks answered 200"] = count


def _judge_events(
    records: Sequence[LogRecord], by_checkout: dict[str, list[Evidence]], report: AuditReport
) -> None:
    expected = {
        event["event_id"]: event
        for events in by_checkout.values()
        for event in expect_announcements(events)
    }
    published = [(record, json.loads(record.value)) for record in records]
    for event_id, times in Counter(value["event_id"] for _, value in published).items():
        if times > 1:
            report.differ(f"the lifecycle event {event_id} was published {times} times")
    for record, value in published:
        wanted = expected.get(value["event_id"])
        if wanted is None:
            report.differ(f"the lifecycle event {value['event_id']} follows from nothing")
            continue
        if record.key != value["abandoned_checkout_id"]:
            report.differ(f"the lifecycle event {value['event_id']} has the key of another")
        for name, right in wanted.items():
            if value.get(name) != right:
                report.differ(
                    f"{value['type']} {value['event_id']}: {name} is {value.get(name)!r}, "
                    f"should be {right!r}"
                )
    found = {value["event_id"] for _, value in published}
    for missing in (event for event_id, event in expected.items() if event_id not in found):
        report.differ(
            f"{missing['type']} {missing['event_id']} of checkout "
            f"{missing['abandoned_checkout_id']} was not published"
        )
    report.counts["lifecycle events"] = len(published)


def _judge_rates(
    logs: Logs, by_checkout: dict[str, list[Evidence]], report: AuditReport, samples: int
) -> None:
    facts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    ticks: list[tuple[int, int, int]] = []
    for record in logs.facts:
        fact = json.loads(record.value)
        if fact["kind"] == "tick":
            ticks.append((record.partition, record.offset, instant(fact["at"]) or 0))
        else:
            where = {"partition": record.partition, "offset": record.offset}
            facts[fact["instance_id"]].append({**fact, "at": where})
    by_site: dict[str, list[list[Evidence]]] = defaultdict(list)
    for events in by_checkout.values():
        for site in {event.instance for event in events}:
            by_site[site].append(events)
    records = [(record.key, json.loads(record.value)) for record in logs.conversion]
    last = {key: number for number, (key, _) in enumerate(records)}
    step = max(1, len(records) // samples)
    judged = 0
    for number, (site, value) in enumerate(records):
        is_last = last[site] == number
        if not is_last and number % step:
            continue
        judged += 1
        position = value["facts_position"]
        counted = [f for f in facts[site] if f["at"]["offset"] <= position["offset"]]
        _judge_as_of(site, value, counted, ticks, report)
        _judge_record(site, value, facts[site] if is_last else counted, by_site[site], report)
    for site in facts:
        if site not in last:
            report.differ(f"no rates were published for the site {site}")
    report.counts["conversion records"] = len(records)
    report.counts["conversion records recomputed"] = judged


def _judge_as_of(
    site: str,
    value: dict[str, Any],
    counted: list[dict[str, Any]],
    ticks: list[tuple[int, int, int]],
    report: AuditReport,
) -> None:
    position = value["facts_position"]
    times = [
        min(instant(f["event_at"]) or 0, (instant(f["received_at"]) or 0) + _TOLERANCE)
        for f in counted
    ]
    times += [
        at
        for partition, offset, at in ticks
        if partition == position["partition"] and offset <= position["offset"]
    ]
    right = show(max(times, default=0))
    if value["as_of"] != right:
        report.differ(f"rates of {site}: as_of is {value['as_of']}, should be {right}")


def _judge_record(
    site: str,
    value: dict[str, Any],
    counted: list[dict[str, Any]],
    checkouts: list[list[Evidence]],
    report: AuditReport,
) -> None:
    through: dict[int, int] = {}
    for fact in counted:
        source = fact["source"]
        through[source["partition"]] = max(through.get(source["partition"], -1), source["offset"])
    cases = []
    for events in checkouts:
        seen = [e for e in events if e.offset <= through.get(e.partition, -1)]
        if seen:
            verdict = evaluate(seen)
            if verdict.instance == site and (verdict.abandoned_at or verdict.recovered_at):
                cases.append(case_of(verdict))
    right = expect_rates(cases, instant(value["as_of"]) or 0)
    for name, expected in right.items():
        for path, is_, should in _compare(value[name], expected, name):
            report.differ(
                f"rates of {site} at {value['as_of']}: {path} is {is_!r}, should be {should!r}"
            )


def _compare(one: Any, other: Any, path: str) -> Iterable[tuple[str, Any, Any]]:  # noqa: ANN401  # JSON
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            yield from _compare(one.get(name), other.get(name), f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _compare(left, right, f"{path}[{number}]")
    elif one != other:
        yield path, one, other
