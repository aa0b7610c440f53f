"""What must come of the small job, computed from the records, and the comparison with the topics.

Invariant: a run passes only if every output is there once, equal as JSON, the changelog's last
values are exactly the states, and the group has committed to the source's end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from streams.adapters.reading import read_to_end
from tests.bench.harness.runs import WrongRunError
from tests.bench.peers.job import State, encode, instance_of, work

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.worker.records import Incoming

    Client = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Expected:
    """Announcements by id, facts with how often, states by checkout; each as canonical JSON."""

    events: dict[str, bytes]
    facts: Counter[bytes]
    states: dict[str, bytes]


def expected(records: Iterable[Incoming]) -> Expected:
    """Of these records; their order matters within a checkout only."""
    states: dict[bytes, State] = {}
    events: dict[str, bytes] = {}
    facts: Counter[bytes] = Counter()
    for record in records:
        key = record.key or b""
        outcome = work(record.value or b"", instance_of(record.headers), states.get(key))
        states[key] = outcome.state
        for value in outcome.events:
            event = orjson.loads(value)
            events[event["id"]] = canonical(event)
        if outcome.fact is not None:
            facts[canonical(orjson.loads(outcome.fact))] += 1
    return Expected(
        events,
        facts,
        {state.id: canonical(orjson.loads(encode(state))) for state in states.values()},
    )


def canonical(value: Any) -> bytes:
    """The same bytes for the same JSON, whoever wrote it."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def check(client: Client, wanted: Expected, *, events: str, facts: str, changelog: str) -> None:
    """Compare what a run left in its topics.

    Raises:
        WrongRunError: something is missing, repeated or different.
    """
    found_events: dict[str, bytes] = {}
    for message in read_to_end(client, events):
        event = orjson.loads(message.value() or b"{}")
        if event["id"] in found_events:
            raise WrongRunError(f"announced twice: {event['id']}")
        found_events[event["id"]] = canonical(event)
    _compare("announcements", wanted.events, found_events)
    found_facts = Counter(
        canonical(orjson.loads(message.value() or b"{}")) for message in read_to_end(client, facts)
    )
    if found_facts != wanted.facts:
        missing = (wanted.facts - found_facts).total()
        raise WrongRunError(
            f"facts: {missing} of {wanted.facts.total()} missing, "
            f"{(found_facts - wanted.facts).total()} too many or different"
        )
    last: dict[bytes, bytes] = {}
    for message in read_to_end(client, changelog):
        last[message.key() or b""] = message.value() or b"{}"
    states = {}
    for value in last.values():
        state = orjson.loads(value)
        states[state["id"]] = canonical(state)
    _compare("states", wanted.states, states)


def _compare(what: str, wanted: dict[str, bytes], found: dict[str, bytes]) -> None:
    if wanted != found:
        missing = len(wanted.keys() - found.keys())
        different = sum(found[name] != wanted[name] for name in wanted.keys() & found.keys())
        raise WrongRunError(
            f"{what}: {missing} of {len(wanted)} missing, "
            f"{len(found.keys() - wanted.keys())} too many, {different} different"
        )
