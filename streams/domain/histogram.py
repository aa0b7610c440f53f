"""A mergeable histogram of durations: log-linear integer bins, 32 to an octave.

Below 64 seconds a bin is one second. Above, a bin is at most 1/32 of its lowest value wide, so a
percentile read off it is low by at most that relative error. No floating-point logarithm decides
a bin, so every machine agrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A percentile is at most this share below the true one: 1/32.
RELATIVE_ERROR: Final = "0.03125"


def bin_of(seconds: int) -> int:
    """The bin of a whole number of seconds, 0 or more."""
    shift = max(0, seconds.bit_length() - 6)
    return shift * 32 + (seconds >> shift)


def lowest_of(index: int) -> int:
    """The lowest number of seconds in a bin."""
    shift = max(0, index // 32 - 1)
    return (index - shift * 32) << shift


def percentiles(bins: Sequence[tuple[int, int]], percents: Sequence[int]) -> list[int | None]:
    """For each, the lowest value of the first bin at which so many per cent are reached.

    ``bins`` are indexes with their counts, ``percents`` whole numbers, both rising. Seconds; None
    of an empty histogram.
    """
    total = sum(count for _, count in bins)
    if not total:
        return [None] * len(percents)
    found: list[int | None] = []
    reached = place = 0
    for percent in percents:
        while reached < (percent * total + 99) // 100:
            reached += bins[place][1]
            place += 1
        found.append(lowest_of(bins[place - 1][0]))
    return found
