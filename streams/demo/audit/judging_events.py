"""Judges the lifecycle events: each expected one once, in order, with its fields; none besides."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from streams.demo.audit.announcements import Expected, expect_announcements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.demo.audit.log import LogRecord
    from streams.demo.audit.recompute import Step
    from streams.demo.audit.report import AuditReport
    from streams.demo.audit.times import Rules

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
            _judge_envelope(record, value, place, report)
        except (ValueError, KeyError, TypeError):
            report.differ(f"the record {place} is no lifecycle event")
    for checkout in sorted({*published, *steps}):
        expected = expect_announcements(steps.get(checkout, ()), rules)
        _judge_checkout(checkout, published.get(checkout, []), expected, report)
    report.counts["lifecycle events"] = len(records)


def _judge_checkout(
    checkout: str,
    published: Sequence[tuple[LogRecord, dict[str, Any]]],
    expected: Sequence[Expected],
    report: AuditReport,
) -> None:
    left: dict[str, list[Expected]] = defaultdict(list)
    for wanted in expected:
        left[wanted.fields["event_id"]].append(wanted)
    known = frozenset(left)
    for record, value in published:
        event_id = value["event_id"]
        name = f"{value['type']} {event_id} of checkout {checkout}"
        if event_id not in known:
            report.differ(f"{name} follows from nothing in the log")
        elif not left[event_id]:
            report.differ(f"{name} was published more often than it should be")
        else:
            _judge_fields(name, record, value, left[event_id].pop(0), report)
    for wanted in (wanted for rest in left.values() for wanted in rest):
        name = f"{wanted.fields['type']} {wanted.fields['event_id']} of checkout {checkout}"
        report.differ(f"{name} was not published")
    order = [value["event_id"] for _, value in published]
    right_order = [wanted.fields["event_id"] for wanted in expected]
    if order != right_order and sorted(order) == sorted(right_order):
        report.differ(f"the events of checkout {checkout} are not in the order of the log")


def _judge_fields(
    name: str, record: LogRecord, value: dict[str, Any], wanted: Expected, report: AuditReport
) -> None:
    for field, right in wanted.fields.items():
        found = value.get(field, ...)
        if found != right:
            report.differ(
                f"{name}: {field} is {_quoted(field, found)}, should be {_quoted(field, right)}"
            )
    if any(text.encode() in record.value for text in wanted.forbidden):
        report.differ(f"{name} shows personal data that must be erased")


def _judge_envelope(
    record: LogRecord, value: dict[str, Any], place: str, report: AuditReport
) -> None:
    if record.key != value["abandoned_checkout_id"]:
        report.differ(f"the lifecycle event at {place} has the key of another checkout")
    for header, field in _HEADERS:
        if record.headers.get(header) != value.get(field):
            report.differ(f"the lifecycle event at {place}: header {header} is not its {field}")


def _quoted(field: str, value: object) -> str:
    """A value for a person's eyes; what is personal stays out."""
    if value is ...:
        return "missing"
    return "another" if field in {"buyer", "checkout_url"} else repr(value)
