"""One page of results: by offset, or by a cursor that remembers the question.

Invariant: a cursor points between two results by their values, not by a number, so results that
arrive or go between two requests neither shift the next page nor repeat a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streams.api.query.violations import refuse

DEFAULT_LIMIT: Final = 50
MOST_LIMIT: Final = 100
MOST_OFFSET: Final = 10_000
#: As Wix's own SDK declares it.
LONGEST_CURSOR: Final = 16_000

#: Values of a result in the order of the sort, as the database holds them.
Anchor = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: beyond the anchor, or at it; forwards in the order, or backwards."""

    anchor: Anchor
    is_backward: bool = False
    is_inclusive: bool = False


@dataclass(frozen=True, slots=True)
class OffsetPage:
    """So many results after the first so many."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0


@dataclass(frozen=True, slots=True)
class CursorPage:
    """So many results from a cursor on; without one, the first."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


Page = OffsetPage | CursorPage


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Where the pages before and after begin; None: there is none."""

    previous: Position | None
    following: Position | None


def read_page(source: Mapping[str, object], *, at: str) -> Page:
    """The page that ``paging`` or ``cursorPaging`` of a query asks for; by offset without either.

    Raises:
        InvalidRequestError: naming what is wrong.
    """
    paging, cursor_paging = source.get("paging"), source.get("cursorPaging")
    if paging is not None and cursor_paging is not None:
        raise refuse(at, "has both paging and cursorPaging", "ONE_OF_ALIGNMENT")
    if cursor_paging is None:
        here = f"{at}.paging"
        given = _object(paging, here)
        return OffsetPage(
            _number(given, "limit", here, least=1, most=MOST_LIMIT, default=DEFAULT_LIMIT),
            _number(given, "offset", here, least=0, most=MOST_OFFSET, default=0),
        )
    here = f"{at}.cursorPaging"
    given = _object(cursor_paging, here)
    cursor = given.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise refuse(f"{here}.cursor", "must be a string", "FORMAT")
    limit = _number(given, "limit", here, least=1, most=MOST_LIMIT, default=DEFAULT_LIMIT)
    return CursorPage(limit, cursor or None)


def neighbours(anchors: list[Anchor], *, position: Position | None, has_more: bool) -> Neighbours:
    """Where to go on from a page.

    ``anchors`` are of the page's results in the order of the sort; ``has_more`` says whether there
    were more in the direction of reading. An empty page leads back to where it was entered.
    """
    is_backward = position is not None and position.is_backward
    if not anchors:
        if position is None:
            return Neighbours(None, None)
        back = Position(position.anchor, not is_backward, not position.is_inclusive)
        return Neighbours(None, back) if is_backward else Neighbours(back, None)
    before = Position(anchors[0], is_backward=True)
    after = Position(anchors[-1])
    if is_backward:
        return Neighbours(before if has_more else None, after)
    return Neighbours(None if position is None else before, after if has_more else None)


def _object(source: object, at: str) -> Mapping[str, object]:
    if source is None:
        return {}
    if not isinstance(source, Mapping):
        raise refuse(at, "must be an object", "FORMAT")
    return source


def _number(  # a bound each
    source: Mapping[str, object], name: str, at: str, *, least: int, most: int, default: int
) -> int:
    value = source.get(name)
    here = f"{at}.{name}"
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(here, "must be a whole number", "FORMAT")
    if value < least:
        raise refuse(here, f"must be at least {least}", "MIN")
    if value > most:
        hint = "; use cursorPaging to go further" if name == "offset" else ""
        raise refuse(here, f"must be at most {most}{hint}", "MAX")
    return value
