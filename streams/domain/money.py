"""Amounts of money, exactly: never a float, never added across currencies."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_AMOUNT: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_NANOS: Final = 1_000_000_000


def read_amount(text: object) -> Decimal | None:
    """A plain non-negative decimal string of at most 16 and 9 digits, as Wix sends; else None."""
    if isinstance(text, str) and _AMOUNT.fullmatch(text):
        return Decimal(text)
    return None


def plain_amount(text: object) -> str | None:
    """The same amount as text, without zeros before it: ``f"{read_amount(text):f}"``."""
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        return None
    if text[0] != "0" or text[1:2] in {"", "."}:
        return text
    stripped = text.lstrip("0")
    return stripped if stripped[:1].isdigit() else f"0{stripped}"


def read_currency(text: object) -> str | None:
    """An ISO 4217 code in capitals; else None."""
    return text if isinstance(text, str) and _CURRENCY.fullmatch(text) else None


def to_nanos(amount: Decimal) -> int:
    """The amount in billionths, an integer, so that sums are exact and free of history."""
    return int(amount.scaleb(9))


def from_nanos(nanos: int) -> str:
    """A decimal string without an exponent, of at least two places: ``85.50``."""
    whole, fraction = divmod(nanos, _NANOS)
    return f"{whole}.{f'{fraction:09d}'.rstrip('0').ljust(2, '0')}"
