"""Counts of one site in buckets of event time, and their running sums over rolling windows.

::

                 matured window            horizon H
        ├──────────────────────────┼──────────────────┤
                    ├─────────────────────────────────┤ current window W
    ──┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬───┬┄┄┄
      │   │   │   │   │   │   │   │   │   │   │   │   │ T   later dates wait
    ──┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴───┴┄┄┄
                                                      end: end of T's bucket

Invariant: buckets and sums are those of the contributions as far as ``end``, whatever the order
they came in. What is dated at or after ``end`` waits in ``pending`` and is counted once ``end``
has passed it. The sums are a cache of the buckets: rebuilding them gives the same.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from streams.domain.histogram import bin_of
from streams.domain.law import COARSE, FINE, FINE_UP_TO, Law, bucket_width
from streams.domain.money import to_nanos

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from streams.domain.contributions import Contribution

#: Sparse counts. Keys: a, r, h and a segment digit (abandoned, recovered so far, recovered within
#: the horizon); f (recoveries); t and a bin (times to recovery); s (staff); u (unpriced);
#: n:, A:, R: and a currency (priced checkouts; value abandoned and recovered, in billionths).
Tally = dict[str, int]

#: Bits of a segment digit.
CHECKOUT_STAGE: Final = 1
REACHABLE: Final = 2
TOUCHED: Final = 4
SEGMENTS: Final = range(8)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shape:
    """Which buckets and windows a series has; lengths are in buckets.

    Attributes:
        width: of a bucket.
        windows: length of each window.
        horizon: length of the horizon.
        keep: how far back buckets are kept.
    """

    width: timedelta
    windows: tuple[int, ...]
    horizon: int
    keep: int

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """Current, matured and previous range of each window, as offsets from the end."""
        return tuple(
            bounds
            for window in self.windows
            for bounds in (
                (-window, 0),
                (-window - self.horizon, -self.horizon),
                (-2 * window, -window),
            )
        )

    def has_previous(self, window: int) -> bool:
        """Whether buckets are kept for long enough to know the window before this one."""
        return 2 * window <= self.keep


def shapes(law: Law) -> tuple[Shape, ...]:
    """The series that a law needs: one of fine buckets, one of coarse ones."""
    found = []
    for width, reach in ((FINE, FINE_UP_TO), (COARSE, law.windows[-1])):
        windows = tuple(w // width for w in law.windows if bucket_width(w) == width)
        if windows:
            horizon = law.horizon // width
            found.append(Shape(width, windows, horizon, reach // width + horizon))
    return tuple(found)


def bucket_of(instant: datetime, width: timedelta) -> int:
    """Index of the half-open bucket [k·w, (k+1)·w) since 1970 that holds an instant."""
    return (instant - EPOCH) // width


class Series:
    """Buckets of one width with their running sums; see the module's docstring.

    ``buckets`` is the caller's mapping and the truth; ``end`` is exclusive, None before the first
    count; ``pending`` are the contributions dated later.
    """

    __slots__ = ("_indexes", "_ranges", "_shape", "buckets", "end", "pending", "sums")

    def __init__(
        self,
        shape: Shape,
        buckets: MutableMapping[int, Tally],
        *,
        end: int | None = None,
        pending: Iterable[Contribution] = (),
    ) -> None:
        self._shape = shape
        self._ranges = shape.ranges
        #: Indexes of the buckets that there are, rising: most of a site's history is empty.
        self._indexes: list[int] = []
        self.buckets = buckets
        self.end = end
        self.pending = list(pending)
        self.sums: list[Tally] = [{} for _ in self._ranges]

    def rebuild(self, present: Iterable[int]) -> None:
        """Make the sums anew from the buckets, of which ``present`` are the indexes."""
        end = self.end
        if end is None:
            return
        self.sums = [{} for _ in self._ranges]
        self._indexes = sorted(present)
        for index in self._indexes:
            tally = self.buckets[index]
            for total, (start, stop) in zip(self.sums, self._ranges, strict=True):
                if start <= index - end < stop:
                    _add(total, tally)

    def advance(self, now: datetime) -> bool:
        """Move the end past the bucket of ``now``; True if it moved. It never moves back."""
        end = bucket_of(now, self._shape.width) + 1
        old = self.end
        if old is None:
            self.end = end
            return True
        if end <= old:
            return False
        self._forget(old, end)
        for total, (start, stop) in zip(self.sums, self._ranges, strict=True):
            self._shift(total, (old + start, old + stop), (end + start, end + stop))
        self.end = end
        if self.pending:
            self._release(old, end)
        return True

    def change(self, before: Contribution | None, after: Contribution | None) -> None:
        """Take one contribution out and put another in. A side that is not kept is ignored."""
        end = self.end
        if end is None:
            raise ValueError("advance to an instant before counting")
        delta: dict[int, Tally] = {}
        if before is not None:
            if self._is_pending(before, end):
                self.pending.remove(before)
            self._cells(delta, before, end, sign=-1)
        if after is not None:
            if self._is_pending(after, end):
                self.pending.append(after)
            self._cells(delta, after, end, sign=1)
        self._apply(delta, end)

    def _forget(self, old: int, end: int) -> None:
        keep = self._shape.keep
        for index in self._between(old - keep, min(old, end - keep)):
            tally = self.buckets.pop(index)
            self._indexes.remove(index)
            for total, (start, stop) in zip(self.sums, self._ranges, strict=True):
                if start <= index - old < stop:
                    _add(total, tally, sign=-1)

    def _shift(self, total: Tally, old: tuple[int, int], new: tuple[int, int]) -> None:
        for index in self._between(old[0], min(old[1], new[0])):
            _add(total, self.buckets[index], sign=-1)
        for index in self._between(max(old[1], new[0]), new[1]):
            _add(total, self.buckets[index])

    def _between(self, start: int, stop: int) -> list[int]:
        """Indexes of the buckets that there are in [start, stop)."""
        indexes = self._indexes
        first = bisect_left(indexes, start)
        if first == len(indexes) or indexes[first] >= stop:
            return []  # nearly always: time has moved by a bucket, and most buckets are empty
        return indexes[first : bisect_left(indexes, stop, first)]

    def _release(self, old: int, end: int) -> None:
        delta: dict[int, Tally] = {}
        for contribution in self.pending:
            self._cells(delta, contribution, old, sign=-1)
            self._cells(delta, contribution, end, sign=1)
        self.pending = [item for item in self.pending if self._is_pending(item, end)]
        self._apply(delta, end)

    def _is_pending(self, contribution: Contribution, end: int) -> bool:
        limit = EPOCH + end * self._shape.width
        abandoned_at, recovered_at = contribution.abandoned_at, contribution.recovered_at
        return (abandoned_at is not None and abandoned_at >= limit) or (
            recovered_at is not None and recovered_at >= limit
        )

    def _apply(self, delta: dict[int, Tally], end: int) -> None:
        oldest = end - self._shape.keep
        for index, change in delta.items():
            if index < oldest or not any(change.values()):
                continue
            place = bisect_left(self._indexes, index)
            is_there = self._indexes[place : place + 1] == [index]
            tally = dict(self.buckets[index]) if is_there else {}
            _add(tally, change)
            if tally:
                self.buckets[index] = tally
                if not is_there:
                    self._indexes.insert(place, index)
            else:
                del self.buckets[index]
                del self._indexes[place]
            for total, (start, stop) in zip(self.sums, self._ranges, strict=True):
                if start <= index - end < stop:
                    _add(total, change)

    def _cells(
        self, delta: dict[int, Tally], contribution: Contribution, end: int, *, sign: int
    ) -> None:
        """Add what a contribution is worth as far as ``end`` to the delta of its buckets."""
        width = self._shape.width
        abandoned = recovered = end
        if contribution.abandoned_at is not None:
            abandoned = bucket_of(contribution.abandoned_at, width)
        if contribution.recovered_at is not None:
            recovered = bucket_of(contribution.recovered_at, width)
        if abandoned < end:
            tally = delta.setdefault(abandoned, {})
            _add(tally, self._abandonment(contribution, is_recovered=recovered < end), sign=sign)
        if recovered < end and not contribution.is_staff:
            _add(delta.setdefault(recovered, {}), _recovery(contribution), sign=sign)

    def _abandonment(self, contribution: Contribution, *, is_recovered: bool) -> Tally:
        if contribution.is_staff:
            return {"s": 1}
        segment = segment_of(contribution)
        tally: Tally = {f"a{segment}": 1}
        if is_recovered:
            tally[f"r{segment}"] = 1
            if contribution.is_recovered_within(self._shape.horizon * self._shape.width):
                tally[f"h{segment}"] = 1
        if contribution.amount is None or contribution.currency is None:
            tally["u"] = 1
        else:
            nanos = to_nanos(contribution.amount)
            tally[f"n:{contribution.currency}"] = 1
            tally[f"A:{contribution.currency}"] = nanos
            if is_recovered:
                tally[f"R:{contribution.currency}"] = nanos
        return tally


def segment_of(contribution: Contribution) -> int:
    """The segment digit: a bit each for the checkout stage, a reachable and a touched buyer."""
    return (
        (CHECKOUT_STAGE if contribution.stage.value == "checkout" else 0)
        | (REACHABLE if contribution.is_reachable else 0)
        | (TOUCHED if contribution.is_touched else 0)
    )


def _recovery(contribution: Contribution) -> Tally:
    seconds = contribution.recovery_seconds()
    return {"f": 1} if seconds is None else {"f": 1, f"t{bin_of(seconds)}": 1}


def _add(total: Tally, change: Tally, *, sign: int = 1) -> None:
    for key, amount in change.items():
        value = total.get(key, 0) + sign * amount
        if value:
            total[key] = value
        else:
            total.pop(key, None)
