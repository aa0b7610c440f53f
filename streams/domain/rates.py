"""Rates of one site, read off its counts: exact integers and decimals, nothing estimated.

A rate is null, not 0, when nothing was abandoned. Rates and bounds have six decimals, rounded half
to even. Interval: Wilson's score at 95 %, z = 1.959963984540054.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from streams.domain.histogram import percentile
from streams.domain.series import (
    CHECKOUT_STAGE,
    EPOCH,
    REACHABLE,
    SEGMENTS,
    TOUCHED,
    Series,
    Shape,
    Tally,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_Z: Final = Decimal("1.959963984540054")
_EXACT: Final = Context(prec=60)
_SIX_PLACES: Final = Decimal("0.000001")
_ALL: Final = tuple(SEGMENTS)
#: Keys of a tally, by what they count, in the order of the segments.
_KEYS: Final = {what: tuple(f"{what}{segment}" for segment in SEGMENTS) for what in "arh"}
_CART: Final = tuple(segment for segment in SEGMENTS if not segment & CHECKOUT_STAGE)
_CHECKOUT: Final = tuple(segment for segment in SEGMENTS if segment & CHECKOUT_STAGE)
_REACHABLE: Final = tuple(segment for segment in SEGMENTS if segment & REACHABLE)
_UNREACHABLE: Final = tuple(segment for segment in SEGMENTS if not segment & REACHABLE)
_TOUCHED: Final = tuple(segment for segment in SEGMENTS if segment & TOUCHED)
_UNTOUCHED: Final = tuple(segment for segment in SEGMENTS if not segment & TOUCHED)


@dataclass(frozen=True, slots=True)
class Share:
    """How many of ``abandoned`` were ``recovered``, with a 95 % interval; None of none."""

    abandoned: int
    recovered: int
    rate: Decimal | None
    low: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True)
class Flow:
    """Abandonments and recoveries of a window, each by its own date; the ratio may exceed 1."""

    abandoned: int
    recovered: int
    ratio: Decimal | None


@dataclass(frozen=True, slots=True)
class Segment:
    """The shares of one kind of checkouts."""

    cohort: Share
    matured: Share


@dataclass(frozen=True, slots=True)
class Value:
    """Value of a window's cohort in one currency, in billionths; open + recovered = abandoned."""

    currency: str
    checkouts: int
    abandoned: int
    recovered: int

    @property
    def open(self) -> int:
        """Value not recovered so far."""
        return self.abandoned - self.recovered


@dataclass(frozen=True, slots=True)
class RecoveryTimes:
    """Time to recovery in seconds, of the recoveries of a window; None of none."""

    count: int
    p50: int | None
    p90: int | None
    p99: int | None


@dataclass(frozen=True, slots=True)
class Previous:
    """Counts of the window before."""

    start: datetime
    stop: datetime
    abandoned: int
    recovered: int
    recoveries: int


@dataclass(frozen=True, slots=True)
class WindowRates:
    """Everything published for one window. ``start`` included, ``stop`` excluded."""

    window: timedelta
    horizon: timedelta
    start: datetime
    stop: datetime
    flow: Flow
    all: Segment
    cart: Segment
    checkout: Segment
    reachable: Segment
    unreachable: Segment
    touched: Segment
    untouched: Segment
    values: tuple[Value, ...]
    recovery_times: RecoveryTimes
    previous: Previous | None
    excluded_staff: int
    unpriced: int


def rates_of(series: Series, shape: Shape) -> tuple[WindowRates, ...]:
    """The rates of a series' windows, shortest first.

    Raises:
        ValueError: the series has not been advanced to any instant.
    """
    if series.end is None:
        raise ValueError("a series without an end has no rates")
    stop = EPOCH + series.end * shape.width
    return tuple(
        _window(shape, window, stop, *series.sums[3 * number : 3 * number + 3])
        for number, window in enumerate(shape.windows)
    )


def _window(
    shape: Shape, buckets: int, stop: datetime, current: Tally, matured: Tally, before: Tally
) -> WindowRates:
    window = buckets * shape.width
    young, bought = _by_segment("a", current), _by_segment("r", current)
    old, in_time = _by_segment("a", matured), _by_segment("h", matured)

    def segment(chosen: tuple[int, ...]) -> Segment:
        return Segment(
            share(_sum(young, chosen), _sum(bought, chosen)),
            share(_sum(old, chosen), _sum(in_time, chosen)),
        )

    abandoned = sum(young)
    recoveries = current.get("f", 0)
    return WindowRates(
        window=window,
        horizon=shape.horizon * shape.width,
        start=stop - window,
        stop=stop,
        flow=Flow(abandoned, recoveries, ratio(recoveries, abandoned)),
        all=segment(_ALL),
        cart=segment(_CART),
        checkout=segment(_CHECKOUT),
        reachable=segment(_REACHABLE),
        unreachable=segment(_UNREACHABLE),
        touched=segment(_TOUCHED),
        untouched=segment(_UNTOUCHED),
        values=_values(current),
        recovery_times=_recovery_times(current),
        previous=Previous(
            stop - 2 * window,
            stop - window,
            sum(_by_segment("a", before)),
            sum(_by_segment("r", before)),
            before.get("f", 0),
        )
        if shape.has_previous(buckets)
        else None,
        excluded_staff=current.get("s", 0),
        unpriced=current.get("u", 0),
    )


@lru_cache(maxsize=4096)
def share(abandoned: int, recovered: int) -> Share:
    """A share with its Wilson interval.

    Wilson, E. B. (1927): Probable inference, the law of succession, and statistical inference.
    """
    if abandoned == 0:
        return Share(0, recovered, None, None, None)
    n, p = Decimal(abandoned), _EXACT.divide(Decimal(recovered), Decimal(abandoned))
    square = _EXACT.multiply(_Z, _Z)
    divisor = _EXACT.add(Decimal(1), _EXACT.divide(square, n))
    centre = _EXACT.add(p, _EXACT.divide(square, 2 * n))
    variance = _EXACT.add(
        _EXACT.divide(_EXACT.multiply(p, _EXACT.subtract(Decimal(1), p)), n),
        _EXACT.divide(square, 4 * n * n),
    )
    margin = _EXACT.multiply(_Z, _EXACT.sqrt(variance))
    return Share(
        abandoned,
        recovered,
        _rounded(p),
        _rounded(_EXACT.divide(_EXACT.subtract(centre, margin), divisor)),
        _rounded(_EXACT.divide(_EXACT.add(centre, margin), divisor)),
    )


def ratio(recoveries: int, abandonments: int) -> Decimal | None:
    """Recoveries for each abandonment, to six decimals; None of none."""
    if abandonments == 0:
        return None
    return _rounded(_EXACT.divide(Decimal(recoveries), Decimal(abandonments)))


def _rounded(value: Decimal) -> Decimal:
    return abs(value.quantize(_SIX_PLACES, rounding=ROUND_HALF_EVEN, context=_EXACT))


def _by_segment(what: str, tally: Tally) -> list[int]:
    get = tally.get
    return [get(key, 0) for key in _KEYS[what]]


def _sum(counts: list[int], segments: tuple[int, ...]) -> int:
    total = 0
    for segment in segments:
        total += counts[segment]
    return total


def _values(tally: Tally) -> tuple[Value, ...]:
    return tuple(
        Value(
            currency=key[2:],
            checkouts=tally[key],
            abandoned=tally.get(f"A:{key[2:]}", 0),
            recovered=tally.get(f"R:{key[2:]}", 0),
        )
        for key in sorted(tally)
        if key.startswith("n:")
    )


def _recovery_times(tally: Tally) -> RecoveryTimes:
    bins = {int(key[1:]): count for key, count in tally.items() if key.startswith("t")}
    return RecoveryTimes(
        sum(bins.values()), percentile(bins, 50), percentile(bins, 90), percentile(bins, 99)
    )
