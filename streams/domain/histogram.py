"""A mergeable histogram of durations: log-linear integer bins, 32 to an octave.

Below 64 seconds a bin is one second. Above, a bin is at most 1/32 of its lowest value wide, so a
percentile read off it is low by at most that relative error. No floating-point logarithm decides
a bin, so every machine agrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def percentile(bins: Mapping[int, int], percent: int) -> int | None:
    """The lowest value of the first bin at which ``percent`` of the counts are reached.

    Seconds; None of an empty histogram.
    """
    wanted = (percent * sum(bins.values()) + 99) // 100
    reached = 0
    for index in sorted(bins):
        reached += bins[index]
        if reached >= wanted > 0:
            return lowest_of(index)
    return None
