"""Filters, sorts and positions as SQL: bound parameters only, the same meaning in both databases.

No column that is compared is ever NULL (see ``streams.adapters.database.columns``), so a condition
is true or false, and its negation is the opposite.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, assert_never

from sqlalchemy import ColumnElement, and_, false, func, literal, not_, or_, true, tuple_

from streams.adapters.database.columns import (
    NO_INSTANT,
    NO_TEXT,
    amount_key,
    element_key,
    instant_key,
    prefix_range,
    storable,
    text_key,
)
from streams.adapters.database.tables import CHECKOUTS
from streams.api.query.fields import Field, Kind
from streams.api.query.filters import All, Compare, Filter, Match, Not, OneOf, Order, Place
from streams.api.query.filters import Any as AnyOf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from streams.api.query.filters import Scalar
    from streams.api.query.paging import Position
    from streams.api.query.sorting import Sort

Condition = ColumnElement[bool]


class _Columns(NamedTuple):
    """Where a field is: ``key`` is compared and sorted by; ``exact`` holds what keys leave out."""

    key: ColumnElement[Any]
    exact: ColumnElement[Any] | None = None


_C: Final = CHECKOUTS.c
_COLUMNS: Final = {
    "id": _Columns(_C.abandoned_checkout_id),
    "createdDate": _Columns(_C.created_at),
    "updatedDate": _Columns(_C.updated_at),
    "status": _Columns(_C.status_key, _C.status),
    "buyerInfo.contactId": _Columns(_C.contact_id_key, _C.contact_id),
    "buyerInfo.email": _Columns(_C.email_key, _C.email),
    "buyerInfo.memberId": _Columns(_C.member_id_key, _C.member_id),
    "buyerInfo.userId": _Columns(_C.user_id_key, _C.user_id),
    "buyerInfo.visitorId": _Columns(_C.visitor_id_key, _C.visitor_id),
    "contactDetails.firstName": _Columns(_C.first_name_key, _C.first_name),
    "contactDetails.lastName": _Columns(_C.last_name_key, _C.last_name),
    "totalPrice.amount": _Columns(_C.total_amount),
    "totalPrice.convertedAmount": _Columns(_C.total_converted_amount),
}
_ESCAPED: Final = re.compile(r"[/%_]")
_LISTS: Final = {
    "activities.type": _C.activity_types,
    "appliedDiscounts.coupon.code": _C.coupon_codes,
}


def matching(tree: Filter) -> Condition:
    """The condition that the filter means."""
    match tree:
        case OneOf(field, values) if field.kind is Kind.TEXTS:
            return or_(false(), *(_has(_LISTS[field.path], value) for value in values))
        case OneOf(field, values):
            return _one_of(field, values)
        case Compare(field, order, value):
            return _compare(field, order, value)
        case Match(field, place, part):
            return _match(field, place, part)
        case All(parts):
            return and_(true(), *(matching(part) for part in parts))
        case AnyOf(parts):
            return or_(false(), *(matching(part) for part in parts))
        case Not(part):
            return not_(matching(part))
        case _:
            assert_never(tree)


def ordered(query: Select[Any], sort: Sort) -> Select[Any]:
    """The query in that order."""
    columns = sort_columns(sort)
    return query.order_by(
        *(
            column.desc() if key.is_descending else column.asc()
            for column, key in zip(columns, sort, strict=True)
        )
    )


def sort_columns(sort: Sort) -> list[ColumnElement[Any]]:
    """The columns whose values are a result's anchor."""
    return [_COLUMNS[key.field.path].key for key in sort]


def beyond(position: Position, sort: Sort) -> Condition:
    """What comes after the position in the order of the sort; also at it, if it is inclusive.

    The sort must be the one that the anchor was made with, and already that of the direction in
    which is read.
    """
    columns = sort_columns(sort)
    anchor = position.anchor
    directions = {key.is_descending for key in sort}
    if len(directions) == 1:  # one range of an index
        one, other = tuple_(*columns), tuple_(*_typed(columns, anchor))
        if directions == {True}:
            return one <= other if position.is_inclusive else one < other
        return one >= other if position.is_inclusive else one > other
    steps = []
    for index, (column, key) in enumerate(zip(columns, sort, strict=True)):
        equal = [known == value for known, value in zip(columns, anchor, strict=True)][:index]
        steps.append(
            and_(*equal, column < anchor[index] if key.is_descending else column > anchor[index])
        )
    if position.is_inclusive:
        steps.append(and_(*(known == value for known, value in zip(columns, anchor, strict=True))))
    first = columns[0] <= anchor[0] if sort[0].is_descending else columns[0] >= anchor[0]
    return and_(first, or_(*steps))  # the first alone is a range of an index


def _typed(columns: Sequence[ColumnElement[Any]], anchor: Sequence[str | int | None]) -> list[Any]:
    return [literal(value, column.type) for column, value in zip(columns, anchor, strict=True)]


def _key_of(field: Field, value: Scalar | None) -> str | int:
    match value:
        case None:
            return NO_INSTANT if field.kind is Kind.INSTANT else NO_TEXT
        case datetime():
            return instant_key(value)
        case Decimal():
            return amount_key(value)
        case str():
            return value if field.kind is Kind.ID else text_key(value)
        case _:
            assert_never(value)


def _one_of(field: Field, values: Sequence[Scalar | None]) -> Condition:
    key, exact = _COLUMNS[field.path]
    condition = key.in_(sorted({_key_of(field, value) for value in values}))
    texts = sorted({storable(value) for value in values if isinstance(value, str)})
    if exact is None or not texts:
        return condition
    is_exact = exact.in_(texts)
    return and_(condition, or_(key == NO_TEXT, is_exact) if None in values else is_exact)


def _compare(field: Field, order: Order, value: Scalar) -> Condition:
    key = _COLUMNS[field.path].key
    bound = _key_of(field, value)
    match order:
        case Order.LESS:
            return and_(key > _key_of(field, None), key < bound)
        case Order.AT_MOST:
            return and_(key > _key_of(field, None), key <= bound)
        case Order.MORE:
            return key > bound
        case Order.AT_LEAST:
            return key >= bound
        case _:
            assert_never(order)


def _match(field: Field, place: Place, part: str) -> Condition:
    key = _COLUMNS[field.path].key
    begin = 0 if field.kind is Kind.ID else 1  # the keys of texts begin with a letter of ours
    if not part:
        return key != NO_TEXT
    if place is Place.START:
        first, last = prefix_range(part)
        return and_(key >= first[1 - begin :], key < last[1 - begin :])
    pattern = "_" * begin + "%" + _ESCAPED.sub(r"/\g<0>", part)
    if place is Place.ANYWHERE:
        pattern += "%"
    return key.like(pattern, escape="/")


def _has(column: ColumnElement[Any], value: Scalar | None) -> Condition:
    """Whether a list has the text; both databases replace letter by letter, unlike LIKE."""
    if value is None:
        return column == NO_TEXT
    return func.replace(column, element_key(str(value)), NO_TEXT) != column
