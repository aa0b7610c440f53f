"""Bars with their least and most, as an SVG that needs nothing to be looked at."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.harness.runs import Result

_ROW: Final = 34
_LEFT: Final = 300
_WIDTH: Final = 460
_RIGHT: Final = 120
_TOP: Final = 48


def bars(title: str, unit: str, results: Sequence[Result]) -> str:
    """One bar a result, from 0; the thin line spans the runs. Who has no figure is left out."""
    shown = [result for result in results if result.runs]
    most = max((result.high for result in shown), default=1.0) or 1.0
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _ROW * len(shown) + 12
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">'
        ),
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
        f'<text x="12" y="40" fill="#555555" font-size="11">{escape(unit)}</text>',
    ]
    for row, result in enumerate(shown):
        top = _TOP + _ROW * row
        end, low, high = (
            _LEFT + _WIDTH * value / most for value in (result.median, result.low, result.high)
        )
        middle = top + 14
        color = "#1f6f8b" if result.name.startswith("ours") else "#a9b4c2"
        parts += [
            f'<text x="{_LEFT - 10}" y="{top + 18}" text-anchor="end">{escape(result.name)}</text>',
            (
                f'<rect x="{_LEFT}" y="{top + 4}" width="{end - _LEFT:.1f}" height="20" '
                f'fill="{color}"/>'
            ),
            (
                f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" '
                'stroke="#222222" stroke-width="1.5"/>'
            ),
            f'<text x="{high + 8:.1f}" y="{top + 18}">{figure(result.median)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def figure(value: float) -> str:
    """Three digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
