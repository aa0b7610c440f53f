"""Instants as text, one way in and one way out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec


def read_instant(text: str | None) -> datetime | None:
    """An RFC 3339 instant as aware UTC, to the microsecond; a missing offset means UTC.

    None and the empty string give None.

    Raises:
        ValueError: it is none, or out of the range of years 1 to 9999.
    """
    if not text:
        return None
    value = datetime.fromisoformat(text)
    if value.tzinfo is UTC:
        return value
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the instant is out of range") from None


_encode: Final = msgspec.json.Encoder().encode
#: What msgspec makes of an instant in UTC, quoted, with and without microseconds.
_LONG: Final = len('"2026-01-01T00:00:00.000000Z"')
_SHORT: Final = len('"2026-01-01T00:00:00Z"')


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, rounded down.

    By way of msgspec, which writes an instant in a tenth of the time of ``isoformat``.
    """
    text = _encode(instant).decode()
    if text[-2] == "Z":
        if len(text) == _LONG:
            return f"{text[1:24]}Z"
        if len(text) == _SHORT:
            return f"{text[1:20]}.000Z"
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
