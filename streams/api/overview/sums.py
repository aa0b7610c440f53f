"""Adds up sites' published numbers: counts and money only, from which rates are made anew.

Invariant: what was added and subtracted again leaves nothing, so sums are those of the newest
records, whatever order these came in. Money is in billionths, in each currency by itself.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import add, sub
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from streams.adapters.conversion import encode_windows
from streams.adapters.instants import read_instant
from streams.config import parse_duration
from streams.domain.money import to_nanos
from streams.domain.rates import (
    Flow,
    Previous,
    RecoveryTimes,
    Segment,
    Value,
    WindowRates,
    ratio,
    share,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Where in a window the segments stand, in the order of their counts here.
_SEGMENTS: Final[tuple[tuple[str, ...], ...]] = (
    (),
    ("by_stage", "cart"),
    ("by_stage", "checkout"),
    ("reachable",),
    ("unreachable",),
    ("touched",),
    ("untouched",),
)
_FLOW: Final = 2
_OF_SEGMENT: Final = 4
_PREVIOUS: Final = _FLOW + _OF_SEGMENT * len(_SEGMENTS)
#: Flow, segments, the previous window's three counts and whether there is one.
_OF_WINDOW: Final = _PREVIOUS + 4


class Money(NamedTuple):
    """Where an amount belongs."""

    window: str
    currency: str


@dataclass(frozen=True, slots=True)
class SiteNumbers:
    """The numbers of one record, to be added up.

    ``windows``: of each its name, from, to and horizon, as they were published; ``counts``: those
    of the windows, in a row.
    """

    instance_id: str
    site_id: str | None
    as_of: datetime
    windows: tuple[tuple[str, str, str, str], ...]
    counts: array[int]
    money: tuple[tuple[Money, tuple[int, int, int]], ...]
    excluded_staff: int
    unpriced: int


class Frame(NamedTuple):
    """What a window is, as a record says."""

    name: str
    start: datetime
    stop: datetime
    horizon: timedelta


def read_numbers(record: str) -> SiteNumbers:
    """The numbers of a record as it was published, which was read when it was taken in."""
    found = orjson.loads(record)
    counts = array("q")
    money = []
    for window in found["windows"]:
        counts.extend(_counts(window))
        for value in window["money"]:
            amounts = value["checkouts"], _nanos(value["abandoned"]), _nanos(value["recovered"])
            money.append((Money(window["window"], value["currency"]), amounts))
    return SiteNumbers(
        found["instance_id"],
        found["site_id"],
        _instant(found["as_of"]),
        tuple(
            (window["window"], window["from"], window["to"], window["horizon"])
            for window in found["windows"]
        ),
        counts,
        tuple(money),
        found["excluded_staff"],
        found["unpriced"],
    )


def frames_of(numbers: SiteNumbers) -> tuple[Frame, ...]:
    """Which windows a record has."""
    return tuple(
        Frame(name, _instant(start), _instant(stop), parse_duration(horizon))
        for name, start, stop, horizon in numbers.windows
    )


@dataclass(slots=True)
class Sums:
    """Of any number of sites."""

    sites: int = 0
    excluded_staff: int = 0
    unpriced: int = 0
    counts: dict[str, array[int]] = field(default_factory=dict)
    money: dict[Money, list[int]] = field(default_factory=dict)

    def add(self, numbers: SiteNumbers) -> None:
        """Count a site."""
        self._change(numbers, add)

    def subtract(self, numbers: SiteNumbers) -> None:
        """Count it no more."""
        self._change(numbers, sub)

    def _change(self, numbers: SiteNumbers, change: Callable[[int, int], int]) -> None:
        self.sites = change(self.sites, 1)
        self.excluded_staff = change(self.excluded_staff, numbers.excluded_staff)
        self.unpriced = change(self.unpriced, numbers.unpriced)
        for number, (window, *_) in enumerate(numbers.windows):
            known = self.counts.get(window) or array("q", bytes(8 * _OF_WINDOW))
            more = numbers.counts[number * _OF_WINDOW : (number + 1) * _OF_WINDOW]
            self.counts[window] = array("q", map(change, known, more))
        for where, amounts in numbers.money:
            found = list(map(change, self.money.get(where, (0, 0, 0)), amounts))
            if any(found):
                self.money[where] = found
            else:
                self.money.pop(where, None)

    def encode(self, frames: tuple[Frame, ...], times: Mapping[str, RecoveryTimes]) -> bytes:
        """The ``windows`` of an overview, as JSON, in the shape of a record's.

        ``times``: of each window the times to recovery, for percentiles can't be added.
        """
        return encode_windows(
            tuple(
                self._rates(frame)._replace(recovery_times=times[frame.name])
                if frame.name in times
                else self._rates(frame)
                for frame in frames
            )
        )

    def _rates(self, frame: Frame) -> WindowRates:
        counts = self.counts.get(frame.name) or array("q", bytes(8 * _OF_WINDOW))
        segments = [
            Segment(share(one, two), share(three, four))
            for one, two, three, four in (
                counts[at : at + _OF_SEGMENT] for at in range(_FLOW, _PREVIOUS, _OF_SEGMENT)
            )
        ]
        everything, cart, checkout, reachable, unreachable, touched, untouched = segments
        length = frame.stop - frame.start
        abandoned, recovered, recoveries, has_previous = counts[_PREVIOUS:]
        return WindowRates(
            window=length,
            horizon=frame.horizon,
            start=frame.start,
            stop=frame.stop,
            flow=Flow(counts[0], counts[1], ratio(counts[1], counts[0])),
            all=everything,
            cart=cart,
            checkout=checkout,
            reachable=reachable,
            unreachable=unreachable,
            touched=touched,
            untouched=untouched,
            values=tuple(
                Value(where.currency, *amounts)
                for where, amounts in sorted(self.money.items())
                if where.window == frame.name
            ),
            recovery_times=RecoveryTimes(0, None, None, None),
            previous=Previous(frame.start - length, frame.start, abandoned, recovered, recoveries)
            if has_previous
            else None,
            excluded_staff=0,
            unpriced=0,
        )


def _counts(window: Mapping[str, Any]) -> list[int]:
    found = [window["flow"]["abandoned"], window["flow"]["recovered"]]
    for path in _SEGMENTS:
        segment = window
        for name in path:
            segment = segment[name]
        for share_ in (segment["cohort"], segment["matured"]):
            found += (share_["abandoned"], share_["recovered"])
    previous = window["previous"]
    if previous is None:
        return [*found, 0, 0, 0, 0]
    cohort, flow = previous["cohort"], previous["flow"]
    return [*found, cohort["abandoned"], cohort["recovered"], flow["recovered"], 1]


def _nanos(amount: str) -> int:
    return to_nanos(Decimal(amount))


def _instant(text: str) -> datetime:
    return read_instant(text) or _EPOCH
