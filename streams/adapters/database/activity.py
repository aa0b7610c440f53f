"""Counts checkouts by the hour, per site and for all sites together, as rows to be added up.

What a checkout adds is its contribution to the rates, so the hours of a window add up to what its
record says. The partition of the source topic is part of a row's key: processes that share a
database never wait for each other's rows.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.adapters.database.columns import storable
from streams.domain.histogram import bin_of

if TYPE_CHECKING:
    from streams.domain.contributions import Contribution

#: In the place of an instance id: all sites together.
EVERY_SITE: Final = ""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)


def hour_of(instant: datetime) -> int:
    """Whole hours since 1970."""
    return (instant - _EPOCH) // _HOUR


def start_of(hour: int) -> datetime:
    """The first instant of an hour."""
    return _EPOCH + hour * _HOUR


class _Cell(NamedTuple):
    instance_id: str
    hour: int
    partition: int


class Activity:
    """Changes of the counts, to be written together."""

    def __init__(self) -> None:
        self._abandoned: Counter[_Cell] = Counter()
        self._recovered: Counter[_Cell] = Counter()
        self._recoveries: Counter[_Cell] = Counter()
        self._times: Counter[tuple[_Cell, int]] = Counter()

    def count(self, contribution: Contribution | None, *, partition: int, by: int = 1) -> None:
        """Add a checkout, or with ``by`` -1 take it away. Staff's own count nowhere."""
        if contribution is None or contribution.is_staff:
            return
        abandoned_at, recovered_at = contribution.abandoned_at, contribution.recovered_at
        for site in (storable(contribution.site.instance_id), EVERY_SITE):
            if abandoned_at is not None:
                cell = _Cell(site, hour_of(abandoned_at), partition)
                self._abandoned[cell] += by
                if recovered_at is not None:
                    self._recovered[cell] += by
            if recovered_at is not None:
                cell = _Cell(site, hour_of(recovered_at), partition)
                self._recoveries[cell] += by
                seconds = contribution.recovery_seconds()
                if seconds is not None:
                    self._times[cell, bin_of(seconds)] += by

    def hours(self) -> list[dict[str, Any]]:
        """Rows of ``activity`` that change."""
        counted = (self._abandoned, self._recovered, self._recoveries)
        return [
            {
                **cell._asdict(),
                "abandoned": self._abandoned[cell],
                "recovered": self._recovered[cell],
                "recoveries": self._recoveries[cell],
            }
            for cell in sorted({cell for counter in counted for cell in counter})
            if any(counter[cell] for counter in counted)
        ]

    def times(self) -> list[dict[str, Any]]:
        """Rows of ``recovery_times`` that change."""
        return [
            {**cell._asdict(), "bin": bin_, "count": count}
            for (cell, bin_), count in sorted(self._times.items())
            if count
        ]
