"""Values as they stand in columns, so that both databases compare them as Python does.

Invariant: no column that is compared or sorted by is ever NULL, for the databases disagree on where
NULLs sort: a missing value has a form of its own, and that sorts first.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

#: A missing instant; before every other one.
NO_INSTANT: Final = -(2**63)
#: A missing amount or text; before every other one.
NO_TEXT: Final = ""

#: PostgreSQL refuses index entries of more than 2.7 kB; Wix's texts that can be asked for are
#: shorter than this. Longer ones are compared by their beginning, then as they are.
LONGEST_KEY: Final = 100
_WHOLE_DIGITS: Final = 16
_PLACES: Final = 9
#: Begin and end of an element: one mark for both would find an empty text between two others.
_MARKS: Final = re.compile("[\x1e\x1f]")
_BELOW_ALL: Final = "-"
_ABOVE_ALL: Final = ":"  # after the digits


def instant_key(value: datetime | None) -> int:
    """Microseconds since 1970; ``NO_INSTANT`` if missing."""
    return NO_INSTANT if value is None else (value - _EPOCH) // _MICROSECOND


def instant_of(key: int) -> datetime | None:
    """The instant of a key."""
    return None if key == NO_INSTANT else _EPOCH + key * _MICROSECOND


def amount_key(value: Decimal | None) -> str:
    """Digits of fixed width, compared as text as the amounts are as numbers: ``…85.500000000``.

    Stored amounts have at most 16 and 9 digits and are not negative; what is asked for may be any
    finite number, and keeps its place among them.
    """
    if value is None:
        return NO_TEXT
    if value < 0:
        return _BELOW_ALL
    whole, _, places = f"{value:f}".partition(".")
    whole, places = whole.lstrip("0"), places.rstrip("0")
    if len(whole) > _WHOLE_DIGITS:
        return _ABOVE_ALL
    return f"{whole.rjust(_WHOLE_DIGITS, '0')}.{places.ljust(_PLACES, '0')}"


def amount_of(key: str) -> Decimal | None:
    """The amount of a stored key."""
    return Decimal(key) if key else None


def text_key(value: str | None) -> str:
    """Text without its case, for prefixes and sorting; ``NO_TEXT`` if missing, not if empty."""
    return NO_TEXT if value is None else "=" + storable(value).casefold()[:LONGEST_KEY]


def texts_key(values: Iterable[str]) -> str:
    """Texts of a list, so that one can be looked for by its ``element_key``; ``NO_TEXT``: none."""
    return "".join(element_key(value) for value in sorted(set(values)))


def element_key(value: str) -> str:
    """The part of a ``texts_key`` that is there if, and only if, the list has this text."""
    return f"\x1e{_MARKS.sub(chr(0xFFFD), storable(value))}\x1f"


def prefix_range(prefix: str) -> tuple[str, str]:
    """Keys ``first <= key < last`` are those of the texts that begin so, whatever their case.

    Only as far as keys go: of a prefix longer than ``LONGEST_KEY`` the beginning counts.
    """
    first = text_key(prefix)
    at = len(first) - 1
    while ord(first[at]) == 0x10FFFF:  # noqa: PLR2004  # the last character there is
        at -= 1
    # the surrogates are no characters that a database could hold
    following = 0xE000 if ord(first[at]) == 0xD7FF else ord(first[at]) + 1  # noqa: PLR2004
    return first, first[:at] + chr(following)


def storable(text: str) -> str:
    """Text that PostgreSQL takes: it has no character 0."""
    return text.replace("\0", "\ufffd")
