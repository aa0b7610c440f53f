"""The order of results: several fields, and the id at last, so that it is total.

A missing value is less than any other, ascending and descending alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streams.api.query.fields import CREATED, FIELDS, ID, Field, wire_path
from streams.api.query.violations import refuse

MOST_KEYS: Final = 4
_ORDERS: Final = {"ASC": False, "DESC": True}


@dataclass(frozen=True, slots=True)
class SortKey:
    """One field of the order."""

    field: Field
    is_descending: bool = False


Sort = tuple[SortKey, ...]
#: Newest first: what arrives later stands before the pages that were read.
DEFAULT: Final[Sort] = (SortKey(CREATED, is_descending=True),)


def read_sort(source: object, *, at: str = "sort") -> Sort:
    """The order that the JSON means, without repeats; none given: newest first.

    Raises:
        InvalidRequestError: naming what is wrong with which key.
    """
    if source is None or source == []:
        return total(DEFAULT)
    if not isinstance(source, list):
        raise refuse(at, "must be a list", "FORMAT")
    if len(source) > MOST_KEYS:
        raise refuse(at, f"has more than {MOST_KEYS} keys", "MAX_SIZE")
    return total(tuple(_key(key, f"{at}[{index}]") for index, key in enumerate(source)))


def total(keys: Sort) -> Sort:
    """Without repeated fields, and ended by the id, which no two checkouts share."""
    found: dict[str, SortKey] = {}
    for key in (*keys, SortKey(ID, is_descending=keys[-1].is_descending)):
        found.setdefault(key.field.path, key)
        if key.field is ID:
            break
    return tuple(found.values())


def reverse(keys: Sort) -> Sort:
    """The same results from the other end."""
    return tuple(SortKey(key.field, not key.is_descending) for key in keys)


def _key(source: object, at: str) -> SortKey:
    if not isinstance(source, Mapping):
        raise refuse(at, "must be an object", "FORMAT")
    name = source.get("fieldName")
    if not isinstance(name, str):
        raise refuse(f"{at}.fieldName", "must name a field", "REQUIRED_FIELD")
    field = FIELDS.get(wire_path(name))
    if field is None or not field.is_sortable:
        allowed = ", ".join(path for path, known in FIELDS.items() if known.is_sortable)
        raise refuse(f"{at}.fieldName", f"{name[:100]!r} can't be sorted by; fields are {allowed}")
    order = "ASC" if source.get("order") is None else source["order"]
    if not isinstance(order, str) or order not in _ORDERS:
        raise refuse(f"{at}.order", "must be ASC or DESC", "FORMAT")
    return SortKey(field, _ORDERS[order])
