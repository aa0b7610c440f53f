"""The settings of the law: windows, horizon, and how late an abandonment may be announced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

FINE = timedelta(minutes=5)
COARSE = timedelta(hours=1)
FINE_UP_TO = timedelta(hours=24)


def bucket_width(window: timedelta) -> timedelta:
    """Width of the buckets that a window is made of: 5 minutes up to 24 hours, else an hour."""
    return FINE if window <= FINE_UP_TO else COARSE


@dataclass(frozen=True, slots=True)
class Law:
    """What an installation has settled. All of its workers must share one.

    Attributes:
        windows: lengths of the rolling windows, shortest first.
        horizon: time a checkout has to recover in the matured rate.
        announce_within: an abandonment is announced at most this long after it.
    """

    windows: tuple[timedelta, ...] = (
        timedelta(hours=1),
        timedelta(hours=24),
        timedelta(days=7),
        timedelta(days=30),
    )
    horizon: timedelta = timedelta(days=7)
    announce_within: timedelta = timedelta(days=7)

    def __post_init__(self) -> None:
        if not self.windows or list(self.windows) != sorted(set(self.windows)):
            raise ValueError("windows must be given once each, shortest first")
        for window in self.windows:
            if window % bucket_width(window):
                raise ValueError(
                    f"a window of {window} is no multiple of its buckets' {bucket_width(window)}"
                )
        if self.horizon <= timedelta(0) or self.horizon % COARSE:
            raise ValueError("the horizon must be whole hours")

    @property
    def span(self) -> timedelta:
        """How long anything can matter to a count: the longest window and the horizon."""
        return self.windows[-1] + self.horizon
