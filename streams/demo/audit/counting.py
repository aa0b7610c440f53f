"""Which facts the log must have led to: every change of a checkout's case, once."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.demo.audit.evidence import Site
from streams.demo.audit.recompute import Case, case_of
from streams.demo.audit.times import instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.demo.audit.log import LogRecord
    from streams.demo.audit.recompute import Step


class Fact(NamedTuple):
    """A change of a site's counts. ``partition`` and ``offset`` are those of the source event."""

    instance: str
    site: str
    partition: int
    offset: int
    event_at: int
    received_at: int
    before: Case | None
    after: Case | None

    @property
    def name(self) -> str:
        """How a person finds it."""
        return f"of source record {self.partition}-{self.offset} for site {self.instance}"


class Published(NamedTuple):
    """A record of the facts topic: a fact, or the time of a tick."""

    partition: int
    offset: int
    fact: Fact | None
    tick: int


def expect_facts(steps: Iterable[Step]) -> list[Fact]:
    """Expected facts of one checkout, in order."""
    facts = []
    for step in steps:
        before, after = case_of(step.before), case_of(step.after)
        if before == after or after is None:
            continue
        sides = [(before, after)]
        if before is not None and before.site.instance != after.site.instance:
            facts.append(_fact(step, before.site, before, None))
            sides = [(None, after)]
        facts.extend(_fact(step, after.site, one, other) for one, other in sides)
    return facts


def read_fact(record: LogRecord) -> Published:
    """A record of the facts topic.

    Raises:
        ValueError: it is none.
    """
    try:
        value = json.loads(record.value)
        if value["kind"] == "tick":
            return Published(record.partition, record.offset, None, _at(value["at"]))
        instance = value["instance_id"]
        fact = Fact(
            instance,
            value["site_id"] or "",
            value["source"]["partition"],
            value["source"]["offset"],
            _at(value["event_at"]),
            _at(value["received_at"]),
            _case(instance, value["before"]),
            _case(instance, value["after"]),
        )
    except (KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise ValueError("no fact") from error
    return Published(record.partition, record.offset, fact, 0)


def _fact(step: Step, site: Site, before: Case | None, after: Case | None) -> Fact:
    event = step.event
    return Fact(
        site.instance,
        site.site,
        event.partition,
        event.offset,
        event.event_at,
        event.received_at,
        _bare(before),
        _bare(after),
    )


def _bare(case: Case | None) -> Case | None:
    """A fact names its site once, so its sides don't."""
    return None if case is None else replace(case, site=Site(case.site.instance, "", ""))


def _case(instance: str, side: dict[str, Any] | None) -> Case | None:
    if side is None:
        return None
    return Case(
        Site(instance, "", ""),
        instant(side["abandoned_at"]),
        instant(side["recovered_at"]),
        side["currency"],
        None if side["amount"] is None else Decimal(side["amount"]),
        side["stage"] == "checkout",
        side["is_reachable"],
        side["is_touched"],
        side["is_staff"],
    )


def _at(text: str) -> int:
    at = instant(text)
    if at is None:
        raise ValueError("an empty instant")
    return at
