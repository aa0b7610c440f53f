"""Instants as whole microseconds since 1970, and the rules that an installation has settled.

The audit counts in integers throughout: nothing is rounded before it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // datetime.resolution
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // datetime.resolution


def instant(text: str | None) -> int | None:
    """Microseconds since 1970 of an RFC 3339 instant; None of nothing.

    Raises:
        ValueError: it is none, or lies outside the years 1 to 9999 in UTC.
        TypeError: it is no text.
    """
    if text is None or text == "":
        return None
    value = datetime.fromisoformat(text)
    value = value if value.tzinfo else value.replace(tzinfo=UTC)
    at = (value - _EPOCH) // datetime.resolution
    if not _FIRST <= at <= _LAST:
        raise ValueError("an instant outside the years 1 to 9999")
    return at


def show(at: int | None, *, digits: int = 3) -> str | None:
    """RFC 3339 in UTC with that many decimals, rounded down."""
    if at is None:
        return None
    moment = _EPOCH + timedelta(microseconds=at)
    return f"{moment.isoformat(timespec='microseconds')[: 20 + digits]}Z"


def later(at: int, by: int) -> int:
    """``at + by``, or the last instant that can be written."""
    return min(at + by, _LAST)


class Window(NamedTuple):
    """A rolling window: its name in the records, its length, and the width of its buckets."""

    name: str
    length: int
    bucket: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What the audited installation has settled, in microseconds; the product's defaults.

    Attributes:
        lengths: of the windows, shortest first.
        horizon: time that a checkout has to recover in the matured rate.
        announce_within: an abandonment is announced at most this long after it.
    """

    lengths: Sequence[int] = (HOUR, DAY, 7 * DAY, 30 * DAY)
    horizon: int = 7 * DAY
    announce_within: int = 7 * DAY

    @property
    def span(self) -> int:
        """How long a checkout can matter."""
        return self.lengths[-1] + self.horizon

    @property
    def windows(self) -> list[Window]:
        """The windows: buckets of 5 minutes up to 24 hours, of an hour above."""
        return [
            Window(name_of(length), length, 5 * MINUTE if length <= DAY else HOUR)
            for length in self.lengths
        ]

    def kept(self, window: Window) -> int:
        """How far back the buckets of a window reach."""
        return (DAY if window.bucket < HOUR else self.lengths[-1]) + self.horizon


def name_of(length: int) -> str:
    """A length as the records name it: ``1h``, ``24h``, ``7d``."""
    if length > DAY and length % DAY == 0:
        return f"{length // DAY}d"
    return f"{length // HOUR}h" if length % HOUR == 0 else f"{length // MINUTE}m"
