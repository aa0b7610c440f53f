"""Reads a filter out of JSON: a tree, or a violation that names the field.

Total: whatever the JSON is. Bounded: depth, conditions, lists and lengths have limits, so that no
filter costs the database more than its answer is worth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from streams.adapters.instants import read_instant
from streams.api.query.fields import FIELDS, STATUSES, Field, Kind, wire_path
from streams.api.query.filters import (
    EVERYTHING,
    All,
    Any,
    Compare,
    Filter,
    Match,
    Not,
    OneOf,
    Order,
    Place,
    Scalar,
)
from streams.api.query.violations import refuse

DEEPEST: Final = 16
MOST_CONDITIONS: Final = 200
MOST_VALUES: Final = 100
LONGEST_TEXT: Final = 512
#: Of texts that can be looked for by a part, so much is kept without its case.
LONGEST_PART: Final = 100
_LONGEST_NAME: Final = 100
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TOO_MUCH: Final = 10**30
_AMOUNT: Final = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")

_ORDERS: Final = {
    "$lt": Order.LESS,
    "$lte": Order.AT_MOST,
    "$gt": Order.MORE,
    "$gte": Order.AT_LEAST,
}
_PLACES: Final = {
    "$startsWith": Place.START,
    "$begins": Place.START,
    "$endsWith": Place.END,
    "$contains": Place.ANYWHERE,
}
_LISTS: Final = frozenset({"$in", "$nin", "$hasSome", "$any", "$hasAll", "$all"})
_FLAGS: Final = frozenset({"$exists", "$isEmpty"})
_DATE: Final = {"$date"}  # as Velo writes dates
OPERATORS: Final = (
    frozenset({"$eq", "$ne", "$not"}) | _ORDERS.keys() | _PLACES.keys() | _LISTS | _FLAGS
)


def read_filter(source: object, *, at: str = "filter") -> Filter:
    """The filter that the JSON means; None and ``{}`` are everything. ``at``: where it stands.

    Raises:
        InvalidRequestError: naming the field and the rule; the value is not repeated.
    """
    return EVERYTHING if source is None else _Reading().tree(source, at, depth=1)


class _Reading:
    """One reading, which counts the conditions that it has met."""

    def __init__(self) -> None:
        self._conditions = 0

    def tree(self, source: object, at: str, *, depth: int) -> Filter:
        """An object: all of its entries."""
        if depth > DEEPEST:
            raise refuse(at, f"is nested deeper than {DEEPEST} levels", "MAX")
        if not isinstance(source, Mapping):
            raise refuse(at, "must be an object", "FORMAT")
        return _all([self._entry(name, source[name], at, depth=depth) for name in source])

    def _entry(self, name: str, value: object, at: str, *, depth: int) -> Filter:
        here = f"{at}.{name[:_LONGEST_NAME]}"
        match name:
            case "$and":
                return All(self._trees(value, here, depth=depth))
            case "$or":
                return Any(self._trees(value, here, depth=depth))
            case "$not":
                trees = (
                    self._trees(value, here, depth=depth)
                    if isinstance(value, list)
                    else (self.tree(value, here, depth=depth + 1),)
                )
                return Not(_all([*trees]))
        if name.startswith("$"):
            raise refuse(here, "is no operator that joins filters: use $and, $or, $not")
        field = FIELDS.get(wire_path(name))
        if field is None:
            raise refuse(here, f"can't be filtered by; fields are {', '.join(FIELDS)}")
        return self._conditions_of(field, value, here, depth=depth)

    def _trees(self, source: object, at: str, *, depth: int) -> tuple[Filter, ...]:
        if not isinstance(source, list) or not source:
            raise refuse(at, "must be a list of at least one filter", "MIN_SIZE")
        if len(source) > MOST_CONDITIONS:
            raise refuse(at, f"has more than {MOST_CONDITIONS} filters", "MAX_SIZE")
        return tuple(
            self.tree(part, f"{at}[{index}]", depth=depth + 1) for index, part in enumerate(source)
        )

    def _conditions_of(self, field: Field, value: object, at: str, *, depth: int) -> Filter:
        """A value means equality; an object means each of its operators."""
        if depth > DEEPEST:
            raise refuse(at, f"is nested deeper than {DEEPEST} levels", "MAX")
        if not isinstance(value, Mapping) or value.keys() == _DATE:
            return self._condition(field, "$eq", value, at)
        if not value:
            raise refuse(at, "has no operator", "MIN_SIZE")
        found: list[Filter] = []
        for operator, operand in value.items():
            here = f"{at}.{operator[:_LONGEST_NAME]}"
            if operator == "$not":
                found.append(Not(self._conditions_of(field, operand, here, depth=depth + 1)))
            elif operator in OPERATORS:
                found.append(self._condition(field, operator, operand, here))
            else:
                raise refuse(here, f"is no operator; operators are {', '.join(sorted(OPERATORS))}")
        return _all(found)

    def _condition(self, field: Field, operator: str, operand: object, at: str) -> Filter:
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            raise refuse(at, f"is one of more than {MOST_CONDITIONS} conditions", "MAX_SIZE")
        if operator in _ORDERS:
            return _order(field, _ORDERS[operator], operand, at)
        if operator in _PLACES:
            return _match(field, _PLACES[operator], operand, at)
        if operator in _LISTS:
            return _list(field, operator, operand, at)
        if operator in _FLAGS:
            return _flag(field, operator, operand, at)
        equal = OneOf(field, (_value_or_null(field, operand, at),))
        return Not(equal) if operator == "$ne" else equal


def _order(field: Field, order: Order, operand: object, at: str) -> Filter:
    if field.kind in {Kind.STATUS, Kind.TEXTS}:
        raise refuse(at, f"does not fit {field.path}, which has no order")
    return Compare(field, order, _value(field, operand, at))


def _match(field: Field, place: Place, operand: object, at: str) -> Filter:
    if field.kind is Kind.TEXTS and place is Place.ANYWHERE:
        return OneOf(field, (_value(field, operand, at),))
    if field.kind not in {Kind.TEXT, Kind.ID}:
        raise refuse(at, "fits texts only")
    part = _text(operand, at).casefold()
    if len(part) > LONGEST_PART:
        raise refuse(at, f"is longer than {LONGEST_PART} characters", "MAX_LENGTH")
    return Match(field, place, part)


def _list(field: Field, operator: str, operand: object, at: str) -> Filter:
    if not isinstance(operand, list):
        raise refuse(at, "must be a list", "FORMAT")
    if len(operand) > MOST_VALUES:
        raise refuse(at, f"has more than {MOST_VALUES} values", "MAX_SIZE")
    places = [(value, f"{at}[{index}]") for index, value in enumerate(operand)]
    if operator in {"$in", "$nin"}:
        one = OneOf(field, tuple(_value_or_null(field, value, here) for value, here in places))
        return Not(one) if operator == "$nin" else one
    values = tuple(_value(field, value, here) for value, here in places)
    if operator in {"$hasSome", "$any"}:
        return OneOf(field, values)
    if not values:
        raise refuse(at, "must have a value", "MIN_SIZE")
    return _all([OneOf(field, (value,)) for value in values])


def _flag(field: Field, operator: str, operand: object, at: str) -> Filter:
    if not isinstance(operand, bool):
        raise refuse(at, "must be true or false", "FORMAT")
    missing: tuple[Scalar | None, ...] = (None,)
    if operator == "$isEmpty" and field.kind in {Kind.TEXT, Kind.ID}:
        missing = (None, "")
    is_missing = OneOf(field, missing)
    return is_missing if operand is (operator == "$isEmpty") else Not(is_missing)


def _value_or_null(field: Field, value: object, at: str) -> Scalar | None:
    return None if value is None else _value(field, value, at)


def _value(field: Field, value: object, at: str) -> Scalar:
    return _READERS[field.kind](value, at)


def _text(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise refuse(at, "must be a string", "FORMAT")
    if len(value) > LONGEST_TEXT:
        raise refuse(at, f"is longer than {LONGEST_TEXT} characters", "MAX_LENGTH")
    if "\0" in value or _SURROGATE.search(value):
        raise refuse(at, "has characters that no text has", "FORMAT")
    return value


def _id(value: object, at: str) -> str:
    return _text(value, at).lower()


def _status(value: object, at: str) -> str:
    if value not in STATUSES:
        raise refuse(at, f"must be one of {', '.join(STATUSES)}", "FORMAT")
    return str(value)


def _instant(value: object, at: str) -> Scalar:
    if isinstance(value, Mapping) and value.keys() == _DATE:
        value = value["$date"]
    problem = refuse(at, "must be an RFC 3339 date and time", "FORMAT")
    if not isinstance(value, str):
        raise problem
    try:
        instant = read_instant(value)
    except ValueError:
        raise problem from None
    if instant is None:
        raise problem
    return instant


def _amount(value: object, at: str) -> Decimal:
    text = value if isinstance(value, str) else ""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _TOO_MUCH:
        text = f"{Decimal(str(value)):f}"
    if not _AMOUNT.fullmatch(text):
        raise refuse(at, "must be a decimal number, as a string", "FORMAT")
    return Decimal(text) or Decimal()  # no negative zero


_READERS: Final[Mapping[Kind, Callable[[object, str], Scalar]]] = {
    Kind.ID: _id,
    Kind.TEXT: _text,
    Kind.STATUS: _status,
    Kind.INSTANT: _instant,
    Kind.AMOUNT: _amount,
    Kind.TEXTS: _text,
}


def _all(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else All(tuple(parts))
