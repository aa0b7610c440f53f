"""Keeps each checkout's state, announces what happened, and states how the counts change.

Invariant: all of it is decided by the record and the table alone, so a transaction that is aborted
and done again gives the same records.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from streams.adapters.dead_letters import dead_letter_headers
from streams.adapters.errors import InvalidMessage
from streams.adapters.facts import encode_facts
from streams.adapters.lifecycle import changed_fields, encode_lifecycle
from streams.adapters.source import read_source_event
from streams.adapters.state import decode_checkout, encode_checkout, has_aged_out
from streams.domain.checkouts import Announcement, receive
from streams.domain.events import Kind
from streams.worker.records import Incoming, Outgoing, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from streams.domain.law import Law
    from streams.worker.metrics import WorkerMetrics

STAGE: Final = "track-checkouts"
#: Entries of the table looked at for each event, to find those that have aged out.
_SWEEP: Final = 2


class Tracking:
    """The work of the agent ``track-checkouts``, without Faust."""

    def __init__(self, law: Law, metrics: WorkerMetrics) -> None:
        self._law = law
        self._metrics = metrics
        self._sweeps: dict[int, Iterator[bytes]] = {}
        self._announced = {kind: metrics.announced.labels(kind.value) for kind in Announcement}
        self._events = {kind: metrics.events.labels(kind.value) for kind in Kind}

    def process(
        self, incoming: Incoming, checkouts: MutableMapping[bytes, bytes]
    ) -> list[Outgoing]:
        """Apply one source record to the table; return what to publish with it."""
        try:
            event = read_source_event(
                key=incoming.key,
                value=incoming.value,
                headers=incoming.headers,
                timestamp_ms=incoming.timestamp_ms,
            )
        except InvalidMessage as invalid:
            self._metrics.dead_letters.labels(STAGE, invalid.reason).inc()
            return [dead_letter(incoming, reason=invalid.reason, stage=STAGE)]
        key = event.checkout_id.encode()
        state = checkouts.get(key)
        outcome = receive(
            None if state is None else decode_checkout(state),
            event,
            law=self._law,
            compare=changed_fields,
        )
        checkouts[key] = encode_checkout(outcome.checkout, law=self._law)
        traceparent = next(
            (value for name, value in incoming.headers if name == "traceparent"), None
        )
        first = outcome.checkout.told.revision - len(outcome.news) + 1
        outgoing = []
        for revision, news in enumerate(outcome.news, start=first):
            record = encode_lifecycle(
                news,
                outcome.checkout,
                event,
                revision=revision,
                law=self._law,
                traceparent=traceparent,
            )
            outgoing.append(Outgoing(Target.EVENTS, record.key, record.value, [*record.headers]))
            self._announced[news.type].inc()
        outgoing.extend(
            Outgoing(Target.FACTS, fact_key, fact, [])
            for fact_key, fact in encode_facts(
                outcome, event, partition=incoming.partition, offset=incoming.offset
            )
        )
        if outcome.is_late:
            self._metrics.late_events.inc()
        self._events[event.kind].inc()
        self._sweep(incoming.partition, checkouts, now=event.received_at)
        return outgoing

    def forget(self) -> None:
        """Begin the sweeps anew: the tables were replaced."""
        self._sweeps.clear()

    def _sweep(
        self, partition: int, checkouts: MutableMapping[bytes, bytes], *, now: datetime
    ) -> None:
        """Look at a few entries for each event, round and round, and drop what has aged out."""
        sweep = self._sweeps.get(partition)
        if sweep is None:
            sweep = self._sweeps[partition] = iter(list(checkouts))
        now_ms = int(now.timestamp() * 1000)
        for _ in range(_SWEEP):
            key = next(sweep, None)
            if key is None:
                del self._sweeps[partition]
                return
            state = checkouts.get(key)
            if state is not None and has_aged_out(state, now_ms=now_ms):
                del checkouts[key]
                self._metrics.aged_out.inc()


def dead_letter(incoming: Incoming, *, reason: str, stage: str) -> Outgoing:
    """A record that can't be processed, unchanged, with the reason in its headers.

    Its time is that of the record, so a transaction that is done again gives the same bytes.
    """
    return Outgoing(
        Target.DEAD_LETTERS,
        incoming.key,
        incoming.value,
        dead_letter_headers(
            incoming.headers,
            reason=reason,
            stage=stage,
            at=datetime.fromtimestamp(incoming.timestamp_ms / 1000, UTC),
            position=(incoming.topic, incoming.partition, incoming.offset),
        ),
    )
