"""The rates of a site by brute force: every window looks at every checkout."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from streams.demo.audit.times import SECOND, Rules, Window, name_of, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from streams.demo.audit.recompute import Case

_Z: Final = Decimal("1.959963984540054")
_EXACT_SECONDS: Final = 64


def expect_rates(cases: Sequence[Case], as_of: int, rules: Rules) -> dict[str, Any]:
    """The numbers of a site's conversion record at that instant (microseconds since 1970)."""
    longest = rules.windows[-1]
    end = end_of(as_of, longest.bucket)
    recent = [case for case in cases if _within(case.abandoned_at, end - longest.length, end)]
    return {
        "excluded_staff": sum(case.is_staff for case in recent),
        "unpriced": sum(not case.is_staff and case.amount is None for case in recent),
        "windows": [_window(cases, as_of, window, rules) for window in rules.windows],
    }


def end_of(as_of: int, bucket: int) -> int:
    """The end of the bucket that an instant falls in."""
    return (as_of // bucket + 1) * bucket


def _window(everyone: Sequence[Case], as_of: int, window: Window, rules: Rules) -> dict[str, Any]:
    end = end_of(as_of, window.bucket)
    start = end - window.length
    cases = [case for case in everyone if not case.is_staff]
    cohort = [case for case in cases if _within(case.abandoned_at, start, end)]
    flow = [case for case in cases if _within(case.recovered_at, start, end)]
    old_start, old_end = start - rules.horizon, end - rules.horizon
    old = [case for case in cases if _within(case.abandoned_at, old_start, old_end)]

    def segment(wanted: Callable[[Case], bool] = lambda _case: True) -> dict[str, Any]:
        young = [_has_recovered(case, end) for case in cohort if wanted(case)]
        ripe = [
            _has_recovered(case, end) and _elapsed(case) <= rules.horizon
            for case in old
            if wanted(case)
        ]
        return {
            "cohort": _share(len(young), sum(young)),
            "matured": {
                "from": show(old_start),
                "to": show(old_end),
                **_share(len(ripe), sum(ripe)),
            },
        }

    return {
        "window": window.name,
        "from": show(start),
        "to": show(end),
        "horizon": name_of(rules.horizon),
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
        "previous": _previous(cases, start - window.length, start, end)
        if 2 * window.length <= rules.kept(window)
        else None,
    }


def _previous(cases: Sequence[Case], start: int, stop: int, end: int) -> dict[str, Any]:
    """The counts of the window before, as they stand now."""
    cohort = [case for case in cases if _within(case.abandoned_at, start, stop)]
    return {
        "from": show(start),
        "to": show(stop),
        "flow": {
            "abandoned": len(cohort),
            "recovered": sum(_within(case.recovered_at, start, stop) for case in cases),
        },
        "cohort": {
            "abandoned": len(cohort),
            "recovered": sum(_has_recovered(case, end) for case in cohort),
        },
    }


def _within(at: int | None, start: int, end: int) -> bool:
    return at is not None and start <= at < end


def _has_recovered(case: Case, end: int) -> bool:
    return case.recovered_at is not None and case.recovered_at < end


def _elapsed(case: Case) -> int:
    """Microseconds from abandonment to recovery of a case that has both, never below 0."""
    if case.abandoned_at is None or case.recovered_at is None:
        return 0
    return max(0, case.recovered_at - case.abandoned_at)


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


def _money(cohort: Sequence[Case], end: int) -> list[dict[str, Any]]:
    totals: dict[str, list[tuple[Decimal, bool]]] = {}
    for case in cohort:
        if case.currency is not None and case.amount is not None:
            paid = _has_recovered(case, end)
            totals.setdefault(case.currency, []).append((case.amount, paid))
    return [
        {
            "currency": currency,
            "abandoned": _plain(amount for amount, _ in items),
            "recovered": _plain(amount for amount, paid in items if paid),
            "open": _plain(amount for amount, paid in items if not paid),
            "checkouts": len(items),
        }
        for currency, items in sorted(totals.items())
    ]


def _plain(amounts: Iterable[Decimal]) -> str:
    with localcontext() as context:
        context.prec = 60
        whole, _, fraction = f"{sum(amounts, Decimal(0)):f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _times(flow: Sequence[Case]) -> dict[str, Any]:
    seconds = sorted(_elapsed(case) // SECOND for case in flow if case.abandoned_at is not None)

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
