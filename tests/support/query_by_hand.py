"""Wix's query language done naively: on the JSON of filters and entities, with no tree and no SQL.

It shares nothing with the product, so that both would have to be wrong in the same way.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

INSTANTS = {"createdDate", "updatedDate"}
AMOUNTS = {"totalPrice.amount", "totalPrice.convertedAmount"}
LISTS = {"activities.type", "appliedDiscounts.coupon.code"}
SCALARS = (
    "id",
    "status",
    "buyerInfo.contactId",
    "buyerInfo.email",
    "buyerInfo.memberId",
    "buyerInfo.userId",
    "buyerInfo.visitorId",
    "contactDetails.firstName",
    "contactDetails.lastName",
    *sorted(INSTANTS),
    *sorted(AMOUNTS),
)


def matches(entity: dict[str, Any], filter_: dict[str, Any]) -> bool:
    """Whether the entity is what a valid filter asks for."""
    return all(_entry(entity, name, value) for name, value in filter_.items())


def in_order(entities: list[dict[str, Any]], sort: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The entities in the order of a valid sort; the id decides at last."""
    keys = [(key["fieldName"], key.get("order", "ASC") == "DESC") for key in sort]
    keys = keys or [("createdDate", True)]
    keys.append(("id", keys[-1][1]))

    def compare(one: dict[str, Any], other: dict[str, Any]) -> int:
        for field, is_descending in keys:
            left, right = _sortable(_of(one, field)), _sortable(_of(other, field))
            if left != right:
                return (1 if left > right else -1) * (-1 if is_descending else 1)
        return 0

    return sorted(entities, key=cmp_to_key(compare))


def _entry(entity: dict[str, Any], name: str, value: Any) -> bool:
    if name == "$and":
        return all(matches(entity, part) for part in value)
    if name == "$or":
        return any(matches(entity, part) for part in value)
    if name == "$not":
        parts = value if isinstance(value, list) else [value]
        return not all(matches(entity, part) for part in parts)
    return _field(entity, name, value)


def _field(entity: dict[str, Any], name: str, value: Any) -> bool:
    if not isinstance(value, dict):
        value = {"$eq": value}
    return all(
        not _field(entity, name, operand)
        if operator == "$not"
        else _condition(name, _of(entity, name), operator, operand)
        for operator, operand in value.items()
    )


def _condition(name: str, known: Any, operator: str, operand: Any) -> bool:
    wanted = (
        [_read(name, one) for one in operand] if isinstance(operand, list) else _read(name, operand)
    )
    if isinstance(known, list) and operator == "$contains":
        return wanted in known
    if operator in _ORDERS:
        return not _is_missing(known) and _ORDERS[operator](
            _sortable(known)[1], _sortable(wanted)[1]
        )
    if operator in _PARTS:
        return not _is_missing(known) and _PARTS[operator](_folded(known), operand.casefold())
    return _WHOLE[operator](known, wanted)


def _equal(known: Any, wanted: Any) -> bool:
    if wanted is None:
        return _is_missing(known)
    return bool(wanted in known if isinstance(known, list) else known == wanted)


def _is_missing(known: Any) -> bool:
    return known is None or known == []


def _of(entity: dict[str, Any], name: str) -> Any:
    """The value at a dotted path, as it compares; of lists all that there are."""
    found: list[Any] = [entity]
    for part in name.split("."):
        items = [item for one in found for item in (one if isinstance(one, list) else [one])]
        found = [item[part] for item in items if isinstance(item, dict) and part in item]
    if name in LISTS:
        return [value for value in found if isinstance(value, str)]
    return _read(name, found[0]) if found and isinstance(found[0], str) else None


def _read(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if name in INSTANTS:
        return datetime.fromisoformat(value)
    if name in AMOUNTS:
        return Decimal(str(value)) if str(value)[-1:].isdigit() else None
    return value.lower() if name == "id" else value


def _folded(value: str) -> str:
    return value.casefold()[:100]


def _sortable(value: Any) -> tuple[bool, Any]:
    if value is None:
        return False, 0
    return True, _folded(value) if isinstance(value, str) else value


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$lt": lambda known, wanted: known < wanted,
    "$lte": lambda known, wanted: known <= wanted,
    "$gt": lambda known, wanted: known > wanted,
    "$gte": lambda known, wanted: known >= wanted,
}
_PARTS: dict[str, Callable[[str, str], bool]] = {
    "$startsWith": lambda known, part: known.startswith(part),
    "$begins": lambda known, part: known.startswith(part),
    "$endsWith": lambda known, part: known.endswith(part),
    "$contains": lambda known, part: part in known,
}
_WHOLE: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": _equal,
    "$ne": lambda known, wanted: not _equal(known, wanted),
    "$in": lambda known, wanted: any(_equal(known, one) for one in wanted),
    "$hasSome": lambda known, wanted: any(_equal(known, one) for one in wanted),
    "$any": lambda known, wanted: any(_equal(known, one) for one in wanted),
    "$nin": lambda known, wanted: not any(_equal(known, one) for one in wanted),
    "$hasAll": lambda known, wanted: all(_equal(known, one) for one in wanted),
    "$all": lambda known, wanted: all(_equal(known, one) for one in wanted),
    "$exists": lambda known, wanted: (not _is_missing(known)) is wanted,
    "$isEmpty": lambda known, wanted: (_is_missing(known) or known == "") is wanted,
}
