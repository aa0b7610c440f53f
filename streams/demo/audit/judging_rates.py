"""Judges the facts and the rates: each fact once, and every rate recomputed from the source."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streams.demo.audit.counting import Published, expect_facts, read_fact
from streams.demo.audit.rates import expect_rates
from streams.demo.audit.recompute import Case, case_of
from streams.demo.audit.times import MINUTE, instant, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from streams.demo.audit.log import LogRecord
    from streams.demo.audit.recompute import Step
    from streams.demo.audit.report import AuditReport
    from streams.demo.audit.times import Rules

_TOLERANCE: Final = 5 * MINUTE
_FIRST_DIFFERENCES: Final = 5


@dataclass(slots=True)
class Facts:
    """The facts topic, read: records by place, a site's facts in order, a partition's ticks."""

    topic: str = ""
    by_place: dict[tuple[int, int], Published] = field(default_factory=dict)
    of_site: dict[str, list[Published]] = field(default_factory=lambda: defaultdict(list))
    ticks: dict[int, list[Published]] = field(default_factory=lambda: defaultdict(list))

    def counted(self, instance: str, partition: int, through: int) -> list[Published]:
        """A site's facts and the ticks beside them, up to an offset."""
        both = (*self.of_site.get(instance, ()), *self.ticks.get(partition, ()))
        return [item for item in both if item.partition == partition and item.offset <= through]


class Timeline:
    """The cases of a site's checkouts, as they stood after any prefix of the source log."""

    def __init__(self, steps: Mapping[str, Sequence[Step]]) -> None:
        self._steps = steps
        self._of_site: dict[str, list[str]] = defaultdict(list)
        self._offsets = {name: [s.event.offset for s in own] for name, own in steps.items()}
        for name, own in steps.items():
            for instance in {step.event.site.instance for step in own}:
                self._of_site[instance].append(name)

    def cases(self, instance: str, through: Mapping[int, int] | None) -> list[Case]:
        """Cases at the site, of what each source partition holds up to an offset; None: all."""
        return [
            case
            for name in self._of_site.get(instance, ())
            for case in self._lives(name, through)
            if case.site.instance == instance
        ]

    def _lives(self, name: str, through: Mapping[int, int] | None) -> Iterator[Case]:
        """The cases of one checkout: one for each life, as its last step left it."""
        own, offsets = self._steps[name], self._offsets[name]
        if through is None:
            count = len(own)
        else:
            count = bisect_right(offsets, through.get(own[0].event.partition, -1))
        last = {own[number].life: own[number] for number in range(count)}
        yield from (case for step in last.values() if (case := case_of(step.after)) is not None)


def judge_facts(
    records: Sequence[LogRecord], steps: Mapping[str, Sequence[Step]], report: AuditReport
) -> Facts:
    """Compare the facts topic with what the log must have led to; returns it, read."""
    facts = Facts()
    wanted = {
        (fact.instance, fact.partition, fact.offset): fact
        for own in steps.values()
        for fact in expect_facts(own)
    }
    found: Counter[tuple[str, int, int]] = Counter()
    newest: dict[tuple[str, int], int] = {}
    for record in records:
        place = f"{record.topic}-{record.partition}-{record.offset}"
        try:
            published = read_fact(record)
        except ValueError:
            report.differ(f"the record {place} is no fact")
            continue
        facts.topic = record.topic
        facts.by_place[record.partition, record.offset] = published
        if published.fact is None:
            facts.ticks[record.partition].append(published)
            continue
        fact = published.fact
        facts.of_site[fact.instance].append(published)
        name = (fact.instance, fact.partition, fact.offset)
        found[name] += 1
        if record.key != fact.instance or wanted.get(name) != fact:
            report.differ(f"the fact {fact.name} is not what the log says")
        if fact.offset < newest.get(name[:2], -1):
            report.differ(f"the fact {fact.name} came out of order")
        newest[name[:2]] = fact.offset
    for name, fact in wanted.items():
        if found[name] != 1:
            report.differ(f"the fact {fact.name} was published {found[name]} times")
    report.counts["facts"] = found.total()
    return facts


def judge_rates(  # the whole of what the rates rest on
    records: Sequence[LogRecord],
    facts: Facts,
    steps: Mapping[str, Sequence[Step]],
    report: AuditReport,
    *,
    rules: Rules,
    samples: int,
) -> None:
    """Recompute each site's last record, and about ``samples`` of the earlier ones."""
    timeline = Timeline(steps)
    last = {record.key: number for number, record in enumerate(records)}
    stride = max(1, len(records) // max(1, samples))
    judged = 0
    for number, record in enumerate(records):
        is_last = last[record.key] == number
        if not is_last and (samples == 0 or number % stride):
            continue
        judged += 1
        try:
            value = json.loads(record.value)
            _judge_record(record.key, value, facts, timeline, report, rules=rules)
            if is_last:
                _judge_completeness(record.key, value, facts, timeline, report, rules=rules)
        except (ValueError, KeyError, TypeError, AttributeError):
            place = f"{record.topic}-{record.partition}-{record.offset}"
            report.differ(f"the record {place} is no conversion record")
    for site in facts.of_site:
        if site not in last:
            report.differ(f"no rates were published for the site {site}")
    report.counts["conversion records"] = len(records)
    report.counts["conversion records recomputed"] = judged


def _judge_record(  # a record and everything that it rests on
    site: str,
    value: dict[str, Any],
    facts: Facts,
    timeline: Timeline,
    report: AuditReport,
    *,
    rules: Rules,
) -> None:
    """Compare a record with what the facts that it counted make of the source log."""
    position = value["facts_position"]
    place = (position["partition"], position["offset"])
    at = facts.by_place.get(place)
    if at is None or position["topic"] != facts.topic:
        report.differ(f"rates of {site}: facts_position {place} is no place in the facts topic")
        return
    counted = facts.counted(site, *place)
    own = [item.fact for item in counted if item.fact is not None]
    right = {
        "schema_version": 1,
        "definitions_version": 1,
        "instance_id": site,
        "site_id": next((fact.site for fact in reversed(own) if fact.site), None),
        "as_of": show(max((_time_of(item) for item in counted), default=None)),
        "computed_at": show(at.tick if at.fact is None else at.fact.received_at),
    }
    through: dict[int, int] = {}
    for fact in own:
        through[fact.partition] = max(through.get(fact.partition, -1), fact.offset)
    as_of = instant(value["as_of"]) or 0
    numbers = expect_rates(timeline.cases(site, through), as_of, rules)
    _report(site, value, {**right, **numbers}, report)


def _judge_completeness(  # a record and everything that it rests on
    site: str,
    value: dict[str, Any],
    facts: Facts,
    timeline: Timeline,
    report: AuditReport,
    *,
    rules: Rules,
) -> None:
    """Compare a site's last record with the whole log: nothing may be left uncounted."""
    position = value["facts_position"]
    through = max([position["offset"], *(item.offset for item in facts.of_site[site])])
    counted = facts.counted(site, position["partition"], through)
    as_of = max((_time_of(item) for item in counted), default=0)
    right = expect_rates(timeline.cases(site, None), as_of, rules)
    _report(site, value, right, report, what="last rates")


def _time_of(item: Published) -> int:
    if item.fact is None:
        return item.tick
    return min(item.fact.event_at, item.fact.received_at + _TOLERANCE)


def _report(
    site: str,
    value: dict[str, Any],
    right: dict[str, Any],
    report: AuditReport,
    *,
    what: str = "rates",
) -> None:
    found = [
        difference for name in right for difference in _compare(value[name], right[name], name)
    ]
    for path, one, other in found[:_FIRST_DIFFERENCES]:
        report.differ(
            f"{what} of {site} at {value['as_of']}: {path} is {one!r}, should be {other!r}"
        )
    if len(found) > _FIRST_DIFFERENCES:
        report.differ(
            f"{what} of {site} at {value['as_of']}: "
            f"{len(found) - _FIRST_DIFFERENCES} more fields differ"
        )


def _compare(one: Any, other: Any, path: str) -> Iterable[tuple[str, Any, Any]]:  # noqa: ANN401  # JSON
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*other, *(name for name in one if name not in other)]:
            yield from _compare(one.get(name, ...), other.get(name, ...), f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            label = right.get("window", number) if isinstance(right, dict) else number
            yield from _compare(left, right, f"{path}[{label}]")
    elif one != other or type(one) is not type(other):
        yield path, one, other
