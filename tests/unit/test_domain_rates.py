"""Counts in buckets, rolling sums, rates, money and percentiles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.contributions import Contribution
from streams.domain.events import Site, Stage
from streams.domain.histogram import bin_of, lowest_of, percentiles
from streams.domain.law import Law
from streams.domain.money import from_nanos, read_amount, read_currency, to_nanos
from streams.domain.rates import rates_of, ratio, share
from streams.domain.series import Series, Shape, Tally, bucket_of, shapes

T0 = datetime(2026, 3, 1, tzinfo=UTC)
SHAPE = Shape(timedelta(hours=1), (6, 24), 12, 48)
moments = st.none() | st.integers(-60, 80).map(lambda n: T0 + timedelta(minutes=37 * n))


@st.composite
def contributions(draw: st.DrawFn) -> Contribution:
    is_priced = draw(st.booleans())
    return Contribution(
        site=Site("a", "", ""),
        abandoned_at=draw(moments),
        recovered_at=draw(moments),
        currency=draw(st.sampled_from(["EUR", "JPY"])) if is_priced else None,
        amount=draw(st.sampled_from([Decimal(0), Decimal("85.50"), Decimal("1e15")]))
        if is_priced
        else None,
        stage=draw(st.sampled_from(Stage)),
        is_reachable=draw(st.booleans()),
        is_touched=draw(st.booleans()),
        is_staff=draw(st.booleans()),
    )


def naive(found: list[Contribution], now: datetime) -> Series:
    """All at once, at the end, into an empty series."""
    series = Series(SHAPE, {})
    series.advance(now)
    for one in found:
        series.change(None, one)
    return series


@given(
    st.lists(contributions(), max_size=12),
    st.lists(st.integers(0, 60), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_any_path_to_the_same_contributions_gives_the_same_rates(
    found: list[Contribution], steps: list[int], random: object
) -> None:
    buckets: dict[int, Tally] = {}
    series = Series(SHAPE, buckets)
    now = T0 - timedelta(days=2)
    series.advance(now)
    held: list[Contribution] = []
    for number, step in enumerate(steps):
        now = max(now, T0 + timedelta(hours=step - 40))
        series.advance(now)
        for one in found[number :: len(steps)]:
            wrong = Contribution(
                one.site, one.recovered_at, None, None, None, Stage.CART, True, True, False
            )
            series.change(None, wrong)
            series.change(wrong, one)
            held.append(one)
        rebuilt = Series(SHAPE, buckets, end=series.end, pending=series.pending)
        rebuilt.rebuild(list(buckets))
        assert _recent(rebuilt) == _recent(series)
    assert rates_of(series, SHAPE) == rates_of(naive(held, now), SHAPE)


def _recent(series: Series) -> list[Tally]:
    """Sums of the ranges that are kept: the window before may reach further back."""
    return [
        total
        for total, (start, _) in zip(series.sums, SHAPE.ranges, strict=True)
        if -start <= SHAPE.keep
    ]


def test_a_date_in_2099_empties_no_window_and_counts_when_its_time_comes() -> None:
    series = Series(SHAPE, {})
    series.advance(T0)
    present = Contribution(Site("a", "", ""), T0, None, None, None, Stage.CART, False, False, False)
    future = Contribution(
        Site("a", "", ""),
        T0,
        datetime(2099, 1, 1, tzinfo=UTC),
        None,
        None,
        Stage.CART,
        False,
        False,
        False,
    )
    series.change(None, present)
    series.change(None, future)
    assert rates_of(series, SHAPE)[0].all.cohort.recovered == 0
    assert rates_of(series, SHAPE)[0].all.cohort.abandoned == 2
    assert series.pending == [future]
    series.advance(datetime(2099, 1, 1, 0, 30, tzinfo=UTC))
    assert series.pending == []
    assert rates_of(series, SHAPE)[0].flow.recovered == 1


def test_time_never_goes_back_and_a_series_needs_an_instant() -> None:
    series = Series(SHAPE, {})
    with pytest.raises(ValueError, match="advance"):
        series.change(None, None)
    with pytest.raises(ValueError, match="no rates"):
        rates_of(series, SHAPE)
    series.rebuild(())
    assert series.advance(T0)
    assert not series.advance(T0 - timedelta(days=1))
    assert series.end == bucket_of(T0, SHAPE.width) + 1


def test_buckets_are_half_open() -> None:
    width = timedelta(hours=1)
    assert bucket_of(T0, width) == bucket_of(T0 + timedelta(minutes=59, seconds=59), width)
    assert bucket_of(T0 + width, width) == bucket_of(T0, width) + 1


def test_old_buckets_are_dropped_and_what_is_older_is_ignored() -> None:
    buckets: dict[int, Tally] = {}
    series = Series(SHAPE, buckets)
    series.advance(T0)
    one = Contribution(Site("a", "", ""), T0, None, None, None, Stage.CART, False, False, False)
    series.change(None, one)
    series.advance(T0 + timedelta(hours=SHAPE.keep))
    assert buckets == {}
    series.change(one, None)
    assert buckets == {}


def test_default_windows_keep_what_the_design_says() -> None:
    fine, coarse = shapes(Law())
    assert fine.keep * fine.width == timedelta(hours=24, days=7)
    assert coarse.keep * coarse.width == timedelta(days=37)
    assert fine.has_previous(fine.windows[-1])
    assert not coarse.has_previous(coarse.windows[-1])
    (only,) = shapes(Law(windows=(timedelta(hours=1),)))
    assert only.width == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("windows", "horizon"),
    [
        ((), timedelta(days=7)),
        ((timedelta(days=7), timedelta(hours=1)), timedelta(days=7)),
        ((timedelta(hours=1), timedelta(hours=1)), timedelta(days=7)),
        ((timedelta(minutes=7),), timedelta(days=7)),
        ((timedelta(days=2, minutes=30),), timedelta(days=7)),
        ((timedelta(hours=1),), timedelta(minutes=30)),
        ((timedelta(hours=1),), timedelta(0)),
    ],
)
def test_a_law_that_does_not_fit_its_buckets_is_refused(
    windows: tuple[timedelta, ...], horizon: timedelta
) -> None:
    with pytest.raises(ValueError, match=r"window|horizon"):
        Law(windows=windows, horizon=horizon)


def wilson_by_integers(recovered: int, abandoned: int) -> tuple[Fraction, Fraction]:
    """The score interval with a square root of integers, to 30 digits."""
    z = Fraction("1.959963984540054")
    p, n = Fraction(recovered, abandoned), Fraction(abandoned)
    inner = p * (1 - p) / n + z * z / (4 * n * n)
    scale = 10**30
    root = Fraction(isqrt(inner.numerator * scale * scale // inner.denominator), scale)
    middle, divisor = p + z * z / (2 * n), 1 + z * z / n
    return (middle - z * root) / divisor, (middle + z * root) / divisor


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_agree_with_integer_arithmetic(numbers: tuple[int, int]) -> None:
    recovered, abandoned = numbers
    found = share(abandoned, recovered)
    low, high = wilson_by_integers(recovered, abandoned)
    assert found.low is not None
    assert found.high is not None
    assert abs(Fraction(found.low) - low) <= Fraction(1, 1_999_999)
    assert abs(Fraction(found.high) - high) <= Fraction(1, 1_999_999)
    assert Decimal(0) <= found.low <= (found.rate or 0) <= found.high <= Decimal(1)


def test_of_none_there_is_no_rate() -> None:
    assert share(0, 0).rate is None
    assert ratio(3, 0) is None
    assert ratio(3, 2) == Decimal("1.500000")


@given(st.integers(0, 10**9))
def test_a_bin_holds_its_value_within_the_stated_error(seconds: int) -> None:
    lowest = lowest_of(bin_of(seconds))
    assert lowest <= seconds
    assert (seconds - lowest) * 32 <= lowest
    assert bin_of(lowest) == bin_of(seconds)
    assert bin_of(seconds + 1) - bin_of(seconds) in (0, 1)


@given(st.lists(st.integers(0, 10**6), min_size=1), st.sampled_from([50, 90, 99]))
def test_percentiles_are_those_of_the_sorted_values(values: list[int], percent: int) -> None:
    bins: dict[int, int] = {}
    for value in values:
        bins[bin_of(value)] = bins.get(bin_of(value), 0) + 1
    asked = sorted({percent, 50, 90, 99})
    exact = [sorted(values)[-(-one * len(values) // 100) - 1] for one in asked]
    expected = [lowest_of(bin_of(value)) for value in exact]
    assert percentiles(sorted(bins.items()), asked) == expected


def test_an_empty_histogram_has_no_percentile() -> None:
    assert percentiles([], [50, 90]) == [None, None]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("255", Decimal(255)),
        ("85.50", Decimal("85.50")),
        ("1000000000000000", Decimal("1e15")),
        ("-1", None),
        ("1e5", None),
        ("NaN", None),
        ("1.", None),
        ("", None),
        (" 1", None),
        ("1,5", None),
        ("\u0661", None),
        (12, None),
        (None, None),
    ],
)
def test_amounts_are_plain_decimals(text: object, amount: Decimal | None) -> None:
    assert read_amount(text) == amount


def test_currencies_are_three_capitals() -> None:
    assert read_currency("EUR") == "EUR"
    assert [read_currency(bad) for bad in ("eur", "EURO", "", None, 3)] == [None] * 5


@given(st.integers(0, 10**15), st.integers(0, 999_999_999))
def test_money_survives_the_way_through_integers(whole: int, nanos: int) -> None:
    amount = Decimal(f"{whole}.{nanos:09d}")
    assert Decimal(from_nanos(to_nanos(amount))) == amount
    assert len(from_nanos(to_nanos(amount)).partition(".")[2]) >= 2
