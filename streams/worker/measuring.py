"""Counts facts into the buckets of their site and publishes the site's rates.

A record is published when a number changed, at most once a second, as ticks move old abandonments
out of a window, and at least once an hour. What the rates say is of the facts' own time; seconds
and hours between publications are those of the facts topic, so that a backlog of a week, worked off
in a minute, makes a record a second for each site, and not one for each fact (ADR 17).
Invariant: the table holds the counts; what is kept beside it is a cache, rebuilt after a restore.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from streams.adapters import cohorts
from streams.adapters.conversion import encode_record, encode_windows, record_headers
from streams.adapters.errors import InvalidMessage
from streams.adapters.facts import Fact, Tick, read_fact
from streams.domain.rates import rates_of
from streams.domain.series import Series, shapes
from streams.worker.records import Incoming, Outgoing, Target
from streams.worker.tracking import dead_letter

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from streams.domain.law import Law
    from streams.domain.series import Shape
    from streams.worker.metrics import WorkerMetrics

    Table = MutableMapping[bytes, bytes]

STAGE: Final = "measure-conversion"
#: A fact dated after its receipt raises the site's time to this much after the receipt at most.
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_PACE: Final = timedelta(seconds=1)
#: Facts of several workers may be so much out of order. More, and a clock was wrong: what it dated
#: silences no site.
_SKEW: Final = timedelta(minutes=1)
_HEARTBEAT: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Site:
    """A site's header and its series, with running sums.

    ``has_pending``: whether the table holds, for each series, contributions that wait.
    """

    state: cohorts.SiteState
    series: list[Series]
    has_pending: list[bool]


class _Partition:
    """The sites of one partition of the facts topic."""

    def __init__(self, table: Table, shapes_: tuple[Shape, ...]) -> None:
        """Read the partition's table once: which sites, and which buckets of each."""
        present: dict[tuple[str, timedelta], list[int]] = {}
        self.sites: dict[str, _Site | None] = {}
        for key in table:
            bucket = cohorts.parse_bucket_key(key)
            if bucket is not None:
                present.setdefault(bucket[:2], []).append(bucket[2])
            elif key.startswith(b"s|"):
                self.sites[key[2:].decode()] = None
        self._present = present
        self._shapes = shapes_
        tick = table.get(cohorts.TICK_KEY)
        self.tick = _EPOCH if tick is None else cohorts.decode_instant(tick)

    def site(self, table: Table, instance_id: str) -> _Site:
        """The site, loaded on first use; a new one if the table has none."""
        site = self.sites.get(instance_id)
        if site is None:
            header = table.get(cohorts.site_key(instance_id))
            state = cohorts.SiteState("", _EPOCH) if header is None else cohorts.decode_site(header)
            site = _Site(
                state,
                [self._load(table, instance_id, shape, state) for shape in self._shapes],
                [cohorts.pending_key(instance_id, shape.width) in table for shape in self._shapes],
            )
            self.sites[instance_id] = site
        return site

    def _load(
        self, table: Table, instance_id: str, shape: Shape, state: cohorts.SiteState
    ) -> Series:
        pending = table.get(cohorts.pending_key(instance_id, shape.width))
        series = Series(
            shape,
            cohorts.Buckets(table, instance_id, shape.width),
            pending=() if pending is None else cohorts.decode_pending(pending),
        )
        if state.as_of > _EPOCH:
            series.advance(state.as_of)
            series.rebuild(self._present.pop((instance_id, shape.width), ()))
        return series


class Measuring:
    """The work of the agent ``measure-conversion``, without Faust."""

    def __init__(self, law: Law, metrics: WorkerMetrics) -> None:
        self._shapes = shapes(law)
        self._metrics = metrics
        self._partitions: dict[int, _Partition] = {}

    def process(self, incoming: Incoming, table: Table) -> list[Outgoing]:
        """Apply one fact or tick to the table; return the records to publish with it."""
        try:
            fact = read_fact(incoming.value)
        except InvalidMessage as invalid:
            self._metrics.dead_letters.labels(STAGE, invalid.reason).inc()
            return [dead_letter(incoming, reason=invalid.reason, stage=STAGE)]
        partition = self._partition(incoming.partition, table)
        if isinstance(fact, Tick):
            return self._tick(fact, incoming, partition, table)
        return self._count(fact, incoming, partition, table)

    def forget(self) -> None:
        """Drop the caches: the tables were replaced."""
        self._partitions.clear()

    def has_unpublished(self, partition: int) -> bool:
        """Whether a site of the partition may have numbers that wait for a tick to be published.

        It may where it has not been looked at since the restore; a tick looks at all of them.
        """
        found = self._partitions.get(partition)
        return found is None or any(
            site is None or site.state.is_dirty for site in found.sites.values()
        )

    def _partition(self, number: int, table: Table) -> _Partition:
        partition = self._partitions.get(number)
        if partition is None:
            partition = self._partitions[number] = _Partition(table, self._shapes)
        return partition

    def _count(
        self, fact: Fact, incoming: Incoming, partition: _Partition, table: Table
    ) -> list[Outgoing]:
        instance_id = fact.site.instance_id
        site = partition.site(table, instance_id)
        state = site.state
        if fact.site.site_id:
            state.site_id = fact.site.site_id
        state.as_of = max(
            state.as_of, partition.tick, min(fact.event_at, fact.received_at + CLOCK_TOLERANCE)
        )
        for series in site.series:
            series.advance(state.as_of)
            series.change(fact.before, fact.after)
        self._save_pending(instance_id, site, table)
        state.is_dirty = True
        outgoing = self._publish(instance_id, site, incoming, now=fact.received_at)
        table[cohorts.site_key(instance_id)] = cohorts.encode_site(state)
        self._metrics.facts.inc()
        return outgoing

    def _tick(
        self, tick: Tick, incoming: Incoming, partition: _Partition, table: Table
    ) -> list[Outgoing]:
        if tick.at > partition.tick:
            partition.tick = tick.at
            table[cohorts.TICK_KEY] = cohorts.encode_instant(tick.at)
        outgoing: list[Outgoing] = []
        for instance_id in list(partition.sites):
            site = partition.site(table, instance_id)
            state = site.state
            as_of = max(state.as_of, partition.tick)
            has_moved = [series.advance(as_of) for series in site.series]
            is_quiet = _is_quiet(state, _written_at(incoming))
            if not (any(has_moved) or state.is_dirty or is_quiet):
                continue
            state.as_of = as_of
            state.is_dirty = True
            self._save_pending(instance_id, site, table)
            outgoing.extend(self._publish(instance_id, site, incoming, now=tick.at))
            table[cohorts.site_key(instance_id)] = cohorts.encode_site(state)
        return outgoing

    def _publish(
        self, instance_id: str, site: _Site, incoming: Incoming, *, now: datetime
    ) -> list[Outgoing]:
        """Publish the site's record if a number changed and a second has passed since the last."""
        state, written_at = site.state, _written_at(incoming)
        if state.published_at is not None and -_SKEW < written_at - state.published_at < _PACE:
            return []
        windows = tuple(
            window
            for shape, series in zip(self._shapes, site.series, strict=True)
            for window in rates_of(series, shape)
        )
        encoded = encode_windows(windows)
        state.is_dirty = False
        beside = f"{windows[-1].excluded_staff}|{windows[-1].unpriced}"
        digest = blake2b(encoded + beside.encode(), digest_size=8).digest()
        if digest == state.published_digest and not _is_quiet(state, written_at):
            return []
        state.published_at, state.published_digest = written_at, digest
        self._metrics.published.inc()
        record = encode_record(
            instance_id=instance_id,
            site_id=state.site_id,
            as_of=state.as_of,
            computed_at=now,
            facts_position=(incoming.topic, incoming.partition, incoming.offset),
            windows=windows,
            encoded_windows=encoded,
        )
        headers = record_headers(
            instance_id=instance_id,
            computed_at=now,
            facts_position=(incoming.topic, incoming.partition, incoming.offset),
        )
        return [Outgoing(Target.CONVERSION, instance_id.encode(), record, headers)]

    def _save_pending(self, instance_id: str, site: _Site, table: Table) -> None:
        for number, (shape, series) in enumerate(zip(self._shapes, site.series, strict=True)):
            if series.pending:
                key = cohorts.pending_key(instance_id, shape.width)
                table[key] = cohorts.encode_pending(series.pending)
                site.has_pending[number] = True
            elif site.has_pending[number]:
                del table[cohorts.pending_key(instance_id, shape.width)]
                site.has_pending[number] = False


def _written_at(incoming: Incoming) -> datetime:
    """When the record came into the facts topic: a time that a backlog does not make fly."""
    return datetime.fromtimestamp(incoming.timestamp_ms / 1000, UTC)


def _is_quiet(state: cohorts.SiteState, now: datetime) -> bool:
    return state.published_at is None or abs(now - state.published_at) >= _HEARTBEAT
