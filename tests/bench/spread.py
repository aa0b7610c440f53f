"""What repeated measurements showed: the middle, and how far they were apart."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Spread:
    """Measurements of the same."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return median(self.values)

    def __str__(self) -> str:
        places = 0 if self.median >= _WHOLE else 2
        middle, least, most = self.median, min(self.values), max(self.values)
        return f"{middle:,.{places}f} ({least:,.{places}f} to {most:,.{places}f})"
