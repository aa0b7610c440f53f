"""The windows that series and times are asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from streams.adapters.conversion import format_duration
from streams.api.query.violations import refuse

if TYPE_CHECKING:
    from streams.config import Settings

_HOUR = timedelta(hours=1)
#: A chart of more bars than this shows nothing more.
_MOST_POINTS = 170


class Span(NamedTuple):
    """A window's length, and that of the buckets that it is shown in: whole hours."""

    name: str
    length: timedelta
    bucket: timedelta


def span_of(settings: Settings, name: str) -> Span:
    """The window of that name.

    Raises:
        InvalidRequestError: there is none.
    """
    known = {format_duration(window): window for window in settings.windows}
    length = known.get(name)
    if length is None:
        raise refuse("window", f"must be one of {', '.join(known)}")
    hours = -(-length // _HOUR)
    each = next(
        step for step in (1, 2, 3, 4, 6, 12, 24, 24 * 7, hours) if hours <= step * _MOST_POINTS
    )
    return Span(name, length, each * _HOUR)
