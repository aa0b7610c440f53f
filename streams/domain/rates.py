"""Rates of one site, read off its counts: exact integers and decimals, nothing estimated.

A rate is null, not 0, when nothing was abandoned. Rates and bounds have six decimals, rounded half
to even. Interval: Wilson's score at 95 %, z = 1.959963984540054.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.domain.histogram import percentiles
from streams.domain.series import EPOCH, SEGMENTS, Series, Shape, Tally

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_Z: Final = Decimal("1.959963984540054")
_EXACT: Final = Context(prec=60)
_SIX_PLACES: Final = Decimal("0.000001")
#: Keys of a tally, by what they count, in the order of the segments.
_KEYS: Final = {what: tuple(f"{what}{segment}" for segment in SEGMENTS) for what in "arh"}


class Share(NamedTuple):
    """How many of ``abandoned`` were ``recovered``, with a 95 % interval; None of none."""

    abandoned: int
    recovered: int
    rate: Decimal | None
    low: Decimal | None
    high: Decimal | None


class Flow(NamedTuple):
    """Abandonments and recoveries of a window, each by its own date; the ratio may exceed 1."""

    abandoned: int
    recovered: int
    ratio: Decimal | None


class Segment(NamedTuple):
    """The shares of one kind of checkouts."""

    cohort: Share
    matured: Share


class Value(NamedTuple):
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


class Previous(NamedTuple):
    """Counts of the window before."""

    start: datetime
    stop: datetime
    abandoned: int
    recovered: int
    recoveries: int


class WindowRates(NamedTuple):
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
    everyone, cart, checkout, reachable, unreachable, touched, untouched = map(
        _segment, young, bought, old, in_time
    )
    recoveries = current.get("f", 0)
    return WindowRates(
        window,
        shape.horizon * shape.width,
        stop - window,
        stop,
        Flow(young[0], recoveries, ratio(recoveries, young[0])),
        everyone,
        cart,
        checkout,
        reachable,
        unreachable,
        touched,
        untouched,
        _values(current),
        _recovery_times(current),
        Previous(
            stop - 2 * window,
            stop - window,
            _by_segment("a", before)[0],
            _by_segment("r", before)[0],
            before.get("f", 0),
        )
        if shape.has_previous(buckets)
        else None,
        current.get("s", 0),
        current.get("u", 0),
    )


def _segment(young: int, bought: int, old: int, in_time: int) -> Segment:
    return Segment(share(young, bought), share(old, in_time))


@lru_cache(maxsize=65_536)
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


@lru_cache(maxsize=4096)
def ratio(recoveries: int, abandonments: int) -> Decimal | None:
    """Recoveries for each abandonment, to six decimals; None of none."""
    if abandonments == 0:
        return None
    return _rounded(_EXACT.divide(Decimal(recoveries), Decimal(abandonments)))


def _rounded(value: Decimal) -> Decimal:
    return abs(value.quantize(_SIX_PLACES, rounding=ROUND_HALF_EVEN, context=_EXACT))


def _by_segment(what: str, tally: Tally) -> tuple[int, int, int, int, int, int, int]:
    """Counts of all, cart, checkout, reachable, unreachable, touched and untouched.

    A segment's digit has a bit each for the checkout stage, a reachable and a touched buyer.
    """
    get, keys = tally.get, _KEYS[what]
    none, stage, reach, both = get(keys[0], 0), get(keys[1], 0), get(keys[2], 0), get(keys[3], 0)
    touched_none, touched_stage = get(keys[4], 0), get(keys[5], 0)
    touched_reach, touched_both = get(keys[6], 0), get(keys[7], 0)
    untouched = none + stage + reach + both
    touched = touched_none + touched_stage + touched_reach + touched_both
    checkout = stage + both + touched_stage + touched_both
    reachable = reach + both + touched_reach + touched_both
    total = untouched + touched
    return total, total - checkout, checkout, reachable, total - reachable, touched, untouched


def _values(tally: Tally) -> tuple[Value, ...]:
    return tuple(
        Value(key[2:], tally[key], tally.get(f"A{key[1:]}", 0), tally.get(f"R{key[1:]}", 0))
        for key in sorted([key for key in tally if key[1:2] == ":" and key[0] == "n"])
    )


def _recovery_times(tally: Tally) -> RecoveryTimes:
    bins = [(int(key[1:]), count) for key, count in tally.items() if key[0] == "t"]
    if not bins:
        return _NO_TIMES
    bins.sort()
    return RecoveryTimes(sum(count for _, count in bins), *percentiles(bins, (50, 90, 99)))


_NO_TIMES: Final = RecoveryTimes(0, None, None, None)
