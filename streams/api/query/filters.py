"""The tree of a filter. Every condition is true or false of a checkout, never unknown.

A missing field and a null one are the same; so are a missing list and an empty one. A condition
on a list holds when it holds of one of its elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.api.query.fields import Field

Scalar = str | datetime | Decimal


class Order(Enum):
    """How a field compares with a value."""

    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


class Place(Enum):
    """Where a part of a text stands in it."""

    START = "start"
    END = "end"
    ANYWHERE = "anywhere"


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field is one of the values; None among them: or it is missing."""

    field: Field
    values: tuple[Scalar | None, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """The field is there, and on that side of the value."""

    field: Field
    order: Order
    value: Scalar


@dataclass(frozen=True, slots=True)
class Match:
    """The field is there and has this part, whatever the case; ``part`` is case-folded."""

    field: Field
    place: Place
    part: str


@dataclass(frozen=True, slots=True)
class All:
    """Each of the parts; true without any."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one of the parts; false without any."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Whatever the part is not."""

    part: Filter


Filter = OneOf | Compare | Match | All | Any | Not
EVERYTHING = All(())


def fields_of(tree: Filter) -> Iterator[Field]:
    """The fields that a filter looks at."""
    match tree:
        case OneOf() | Compare() | Match():
            yield tree.field
        case All() | Any():
            for part in tree.parts:
                yield from fields_of(part)
        case Not():
            yield from fields_of(tree.part)
        case _:
            assert_never(tree)
