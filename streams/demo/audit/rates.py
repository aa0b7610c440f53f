"""The rates of a site by brute force: every window looks at every checkout."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any, Final

from streams.demo.audit.recompute import DAY, MICROSECONDS, Verdict, price, show, traits

_MINUTE: Final = 60 * MICROSECONDS
_HOUR: Final = 60 * _MINUTE
_HORIZON: Final = 7 * DAY
#: Name, length, bucket, and how far back buckets are kept.
_WINDOWS: Final = (
    ("1h", _HOUR, 5 * _MINUTE, DAY + _HORIZON),
    ("24h", DAY, 5 * _MINUTE, DAY + _HORIZON),
    ("7d", 7 * DAY, _HOUR, 30 * DAY + _HORIZON),
    ("30d", 30 * DAY, _HOUR, 30 * DAY + _HORIZON),
)
_Z: Final = Decimal("1.959963984540054")
_EXACT_SECONDS: Final = 64


@dataclass(frozen=True, slots=True)
class Case:
    """A checkout as the rates see it."""

    abandoned_at: int | None
    recovered_at: int | None
    money: tuple[str, Decimal] | None
    is_checkout: bool
    is_reachable: bool
    is_touched: bool
    is_staff: bool


def case_of(verdict: Verdict) -> Case:
    """The case of a verdict."""
    return Case(
        verdict.abandoned_at,
        verdict.recovered_at,
        price(verdict.facets),
        *traits(verdict.facets, verdict.recovered_at),
    )


def expect_rates(cases: list[Case], as_of: int) -> dict[str, Any]:
    """The numbers of a conversion record at that instant (microseconds since 1970)."""
    windows = [_window(cases, as_of, *window) for window in _WINDOWS]
    end, length = _end(as_of, _HOUR), _WINDOWS[-1][1]
    recent = [case for case in cases if _within(case.abandoned_at, end - length, end)]
    return {
        "excluded_staff": sum(case.is_staff for case in recent),
        "unpriced": sum(not case.is_staff and case.money is None for case in recent),
        "windows": windows,
    }


def _window(  # a row of the table
    everyone: list[Case], as_of: int, name: str, length: int, bucket: int, kept: int
) -> dict[str, Any]:
    end = _end(as_of, bucket)
    cases = [case for case in everyone if not case.is_staff]
    start = end - length
    cohort = [case for case in cases if _within(case.abandoned_at, start, end)]
    flow = [case for case in cases if _within(case.recovered_at, start, end)]

    def segment(wanted: Any = lambda _case: True) -> dict[str, Any]:  # noqa: ANN401  # a predicate
        chosen = [case for case in cohort if wanted(case)]
        old = [
            case
            for case in cases
            if _within(case.abandoned_at, start - _HORIZON, end - _HORIZON) and wanted(case)
        ]
        return {
            "cohort": _share(len(chosen), sum(_has_recovered(case, end) for case in chosen)),
            "matured": {
                "from": show(start - _HORIZON),
                "to": show(end - _HORIZON),
                **_share(
                    len(old),
                    sum(
                        _has_recovered(case, end)
                        and (case.recovered_at or 0) - (case.abandoned_at or 0) <= _HORIZON
                        for case in old
                    ),
                ),
            },
        }

    before = start - length
    previous = None
    if end - before <= kept:
        old = [case for case in cases if _within(case.abandoned_at, before, start)]
        previous = {
            "from": show(before),
            "to": show(start),
            "flow": {
                "abandoned": len(old),
                "recovered": sum(_within(case.recovered_at, before, start) for case in cases),
            },
            "cohort": {
                "abandoned": len(old),
                "recovered": sum(_has_recovered(case, end) for case in old),
            },
        }
    return {
        "window": name,
        "from": show(start),
        "to": show(end),
        "horizon": "7d",
        "flow": {
            "abandoned": len(cohort),
            "recovered": len(flow),
            "ratio": _six(Decimal(len(flow)) / len(cohort)) if cohort else None,
        },
        **segment(),
        "by_stage": {
            "cart": segment(lambda case: not case.is_checkout),
            "checkout": segment(lambda case: case.is_checkout),
        },
        "reachable": segment(lambda case: case.is_reachable),
        "unreachable": segment(lambda case: not case.is_reachable),
        "touched": segment(lambda case: case.is_touched),
        "untouched": segment(lambda case: not case.is_touched),
        "money": _money(cohort, end),
        "time_to_recovery": _times(flow),
        "previous": previous,
    }


def _end(as_of: int, bucket: int) -> int:
    return (as_of // bucket + 1) * bucket


def _within(at: int | None, start: int, end: int) -> bool:
    return at is not None and start <= at < end


def _has_recovered(case: Case, end: int) -> bool:
    return case.recovered_at is not None and case.recovered_at < end


def _share(abandoned: int, recovered: int) -> dict[str, Any]:
    if not abandoned:
        return {"abandoned": 0, "recovered": recovered, "rate": None, "low": None, "high": None}
    with localcontext() as context:
        context.prec = 70
        n, k = Decimal(abandoned), Decimal(recovered)
        spread = _Z * (_Z * _Z + 4 * k * (n - k) / n).sqrt()
        low, high = ((2 * k + _Z * _Z + sign * spread) / (2 * (n + _Z * _Z)) for sign in (-1, 1))
        return {
            "abandoned": abandoned,
            "recovered": recovered,
            "rate": _six(k / n),
            "low": _six(low),
            "high": _six(high),
        }


def _six(value: Decimal) -> str:
    return f"{abs(value.quantize(Decimal('0.000001'), rounding=ROUND_HALF_EVEN)):f}"


def _money(cohort: list[Case], end: int) -> list[dict[str, Any]]:
    rows = []
    for currency in sorted({case.money[0] for case in cohort if case.money}):
        chosen = [case for case in cohort if case.money and case.money[0] == currency]
        left = sum((case.money[1] for case in chosen if case.money), Decimal(0))
        back = sum(
            (case.money[1] for case in chosen if case.money and _has_recovered(case, end)),
            Decimal(0),
        )
        rows.append(
            {
                "currency": currency,
                "abandoned": _plain(left),
                "recovered": _plain(back),
                "open": _plain(left - back),
                "checkouts": len(chosen),
            }
        )
    return rows


def _plain(value: Decimal) -> str:
    whole, _, fraction = f"{value:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _times(flow: list[Case]) -> dict[str, Any]:
    seconds = sorted(
        max(0, case.recovered_at - case.abandoned_at) // MICROSECONDS
        for case in flow
        if case.recovered_at is not None and case.abandoned_at is not None
    )

    def percentile(percent: int) -> int | None:
        if not seconds:
            return None
        exact = seconds[-(-percent * len(seconds) // 100) - 1]
        unit = 1
        while exact // unit >= _EXACT_SECONDS:
            unit *= 2
        return exact // unit * unit

    return {
        "count": len(seconds),
        "p50_seconds": percentile(50),
        "p90_seconds": percentile(90),
        "p99_seconds": percentile(99),
        "relative_error": "0.03125",
    }
