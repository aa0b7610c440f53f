"""Compares what was published with what the log says must have been.

Only whole logs are judged: the workers must have caught up, and their last records be published.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from streams.demo.audit.evidence import Evidence, Unreadable, read_evidence
from streams.demo.audit.judging_events import judge_events
from streams.demo.audit.judging_rates import judge_facts, judge_rates
from streams.demo.audit.log import Logs
from streams.demo.audit.recompute import steps_of
from streams.demo.audit.report import MOST_DIFFERENCES, AuditReport
from streams.demo.audit.times import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.demo.audit.log import LogRecord
    from streams.demo.audit.recompute import Step
    from streams.demo.simulator.posting import Accepted

__all__ = ["AuditReport", "Logs", "Rules", "audit"]

_DEFAULT_RULES: Final = Rules()
_KEPT_SLUGS: Final = frozenset({"created", "updated", "recovered", "deleted"})


def audit(
    logs: Logs,
    accepted: Sequence[Accepted],
    *,
    samples: int = 200,
    rules: Rules = _DEFAULT_RULES,
    most: int = MOST_DIFFERENCES,
) -> AuditReport:
    """Judge whole logs; ``accepted`` are the webhooks that were answered 200.

    Every site's last conversion record is recomputed, and about ``samples`` of the earlier ones;
    ``most`` differences are put into words.
    """
    report = AuditReport(most=most)
    _judge_accepted(logs, accepted, report)
    by_checkout = _read(logs, report)
    steps = {checkout: steps_of(events, rules) for checkout, events in by_checkout.items()}
    report.counts["checkouts"] = len(steps)
    _judge_truth(accepted, steps, report)
    judge_events(logs.events, steps, report, rules)
    facts = judge_facts(logs.facts, steps, report)
    judge_rates(logs.conversion, facts, steps, report, rules=rules, samples=samples)
    return report


def _read(logs: Logs, report: AuditReport) -> dict[str, list[Evidence]]:
    """The events by checkout; what is unreadable must be in the dead letters, once."""
    by_checkout: dict[str, list[Evidence]] = defaultdict(list)
    unreadable: dict[tuple[str, str, str], str] = {}
    values: dict[tuple[str, str, str], bytes] = {}
    for record in logs.source:
        try:
            event = read_evidence(record)
        except Unreadable as verdict:
            place = (record.topic, str(record.partition), str(record.offset))
            unreadable[place], values[place] = str(verdict), record.value
        else:
            by_checkout[event.checkout].append(event)
    by_ingress = 0
    for letter in logs.dead_letters:
        names = ("dead_letter_topic", "dead_letter_partition", "dead_letter_offset")
        where = [letter.headers.get(name, "") for name in names]
        place = (where[0], where[1], where[2])
        reason = letter.headers.get("dead_letter_reason", "")
        if letter.headers.get("dead_letter_stage") == "ingress":
            by_ingress += 1
        elif place not in unreadable:
            report.differ(f"the source record {'-'.join(place)} is a dead letter without a reason")
        elif unreadable.pop(place) != reason or letter.value != values[place]:
            report.differ(f"the dead letter of {'-'.join(place)} is not that record, or {reason}")
    for place, missing in unreadable.items():
        report.differ(f"the source record {'-'.join(place)} is in no dead letter: {missing}")
    report.counts["source records"] = len(logs.source)
    report.counts["dead letters of the ingress"] = by_ingress
    report.counts["dead letters of the workers"] = len(logs.dead_letters) - by_ingress
    return by_checkout


def _judge_accepted(logs: Logs, accepted: Iterable[Accepted], report: AuditReport) -> None:
    places = {
        f"{record.topic}-{record.partition}-{record.offset}": record
        for records in (logs.source, logs.dead_letters)
        for record in records
    }
    count = others = 0
    seen = set()
    for webhook in accepted:
        count += 1
        if not webhook.position and webhook.slug not in _KEPT_SLUGS:
            others += 1
            continue
        record = places.get(webhook.position)
        if record is None:
            report.differ(
                f"the webhook {webhook.event_id} was answered 200 with "
                f"{webhook.position or 'no position'}, where the log has nothing"
            )
        elif webhook.position in seen:
            report.differ(f"two webhooks were answered 200 with {webhook.position}")
        elif record.headers.get("dead_letter_stage") != "ingress":
            _judge_record(webhook, record, report)
        seen.add(webhook.position)
    report.counts["webhooks answered 200"] = count
    report.counts["of other types"] = others


def _judge_record(webhook: Accepted, record: LogRecord, report: AuditReport) -> None:
    told = f"the webhook {webhook.event_id} was answered 200 with {webhook.position}, where"
    event_id = record.headers.get("ce_id")
    if event_id != webhook.event_id:
        report.differ(f"{told} the log has {event_id}")
    elif (record.key, record.headers.get("ce_instanceid")) != (
        webhook.checkout_id,
        webhook.instance_id,
    ):
        report.differ(f"{told} key or site is another's")
    elif webhook.digest and digest(record.value) != webhook.digest:
        report.differ(f"{told} the event is not byte for byte what was sent")


def _judge_truth(
    accepted: Iterable[Accepted], steps: Mapping[str, Sequence[Step]], report: AuditReport
) -> None:
    """Compare what the shops know to have recovered with what the log says."""
    told = {webhook.checkout_id for webhook in accepted if webhook.says_recovered}
    for checkout in sorted(told):
        own = steps.get(checkout)
        if not own or own[-1].after.recovered_at is None:
            report.differ(f"the checkout {checkout} has recovered, which the log does not say")
    report.counts["checkouts recovered"] = sum(
        own[-1].after.recovered_at is not None for own in steps.values()
    )


def digest(value: bytes) -> str:
    """A short fingerprint of an event's bytes."""
    return hashlib.blake2b(value, digest_size=16).hexdigest()
