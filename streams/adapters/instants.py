"""Instants as text, one way in and one way out."""

from __future__ import annotations

from datetime import UTC, datetime


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


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, rounded down."""
    text = instant.isoformat(timespec="milliseconds")
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text
