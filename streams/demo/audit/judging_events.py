"""Judges the lifecycle events: each expected one once, in order, with its fields; none besides."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from streams.demo.audit.announcements import Expected, expect_announcements
from streams.demo.audit.shown import personal_strings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.demo.audit.log import LogRecord
    from streams.demo.audit.recompute import Step
    from streams.demo.audit.report import AuditReport
    from streams.demo.audit.times import Rules

_PRIVATE_AFTER = frozenset({"checkout.anonymized", "checkout.deleted"})
#: Header and the field that it repeats.
_HEADERS = (
    ("ce_id", "event_id"),
    ("ce_type", "type"),
    ("ce_subject", "abandoned_checkout_id"),
    ("ce_time", "occurred_at"),
)


def judge_events(
    records: Sequence[LogRecord],
    steps: Mapping[str, Sequence[Step]],
    report: AuditReport,
    rules: Rules,
) -> None:
    """Compare the lifecycle topic with what the log must have led to."""
    published: dict[str, list[tuple[LogRecord, dict[str, Any]]]] = defaultdict(list)
    for record in records:
        place = f"{record.topic}-{record.partition}-{record.offset}"
        try:
            value = json.loads(record.value)
            published[value["abandoned_checkout_id"]].append((record, value))
        except (ValueError, KeyError, TypeError):
            report.differ(f"the record {place} is no lifecycle event")
            continue
        _judge_envelope(record, value, place, report)
    for checkout in sorted({*published, *steps}):
        events = published.get(checkout, [])
        own = steps.get(checkout, ())
        expected = expect_announcements(own, rules)
        _judge_checkout(checkout, [value for _, value in events], expected, report)
        _judge_privacy(events, own, report)
    report.counts["lifecycle events"] = len(records)


def _judge_checkout(
    checkout: str,
    published: Sequence[dict[str, Any]],
    expected: Sequence[Expected],
    report: AuditReport,
) -> None:
    wanted: dict[str, list[Expected]] = defaultdict(list)
    for event in expected:
        wanted[event["event_id"]].append(event)
    for value in published:
        name = f"{value['type']} {value['event_id']} of checkout {checkout}"
        left = wanted.get(value["event_id"])
        if left is None:
            report.differ(f"{name} follows from nothing in the log")
        elif not left:
            report.differ(f"{name} was published more often than it should be")
        else:
            right = left.pop(0)
            for field in [key for key in right if value.get(key, ...) != right[key]]:
                report.differ(
                    f"{name}: {field} is {_quoted(field, value.get(field, ...))}, "
                    f"should be {_quoted(field, right[field])}"
                )
    for event in expected:
        if event in wanted[event["event_id"]]:
            report.differ(
                f"{event['type']} {event['event_id']} of checkout {checkout} was not published"
            )
    order = [value["event_id"] for value in published]
    right_order = [event["event_id"] for event in expected]
    if order != right_order and sorted(order) == sorted(right_order):
        report.differ(f"the events of checkout {checkout} are not in the order of the log")


def _judge_envelope(
    record: LogRecord, value: dict[str, Any], place: str, report: AuditReport
) -> None:
    if record.key != value["abandoned_checkout_id"]:
        report.differ(f"the lifecycle event at {place} has the key of another checkout")
    for header, field in _HEADERS:
        if record.headers.get(header) != value.get(field):
            report.differ(f"the lifecycle event at {place}: header {header} is not its {field}")


def _judge_privacy(
    events: Sequence[tuple[LogRecord, dict[str, Any]]],
    steps: Sequence[Step],
    report: AuditReport,
) -> None:
    """From the news of an erasure on, no record may hold what any event said of the buyer."""
    known: set[str] = set()
    for step in steps:
        known |= personal_strings(step.event)
    is_private = False
    for record, value in events:
        is_private = is_private or value.get("type") in _PRIVATE_AFTER
        if is_private and any(text.encode() in record.value for text in known):
            report.differ(
                f"{value['type']} {value['event_id']} shows personal data of an erased buyer"
            )


def _quoted(field: str, value: object) -> str:
    """A value for a person's eyes; what is personal stays out."""
    if value is ...:
        return "missing"
    return "another" if field in {"buyer", "checkout_url"} else repr(value)
