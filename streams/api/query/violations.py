"""What is wrong with a request, in the words of Wix's validation errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Rule = Literal[
    "FORMAT",
    "MAX",
    "MAX_LENGTH",
    "MAX_SIZE",
    "MIN",
    "MIN_SIZE",
    "ONE_OF_ALIGNMENT",
    "OTHER",
    "REQUIRED_FIELD",
]


class Violation(NamedTuple):
    """One broken rule. ``field`` is the path in the request, as in ``query.filter.status``."""

    field: str
    description: str
    rule: Rule = "OTHER"


class InvalidRequestError(Exception):
    """The request can't be answered as it is; the caller mends the fields that are named."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(f"{one.field} {one.description}" for one in violations))
        self.violations = tuple(violations)


class PersonalFieldError(Exception):
    """The request would reveal personal data, which the caller may not read."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(", ".join(fields))
        self.fields = tuple(fields)


def refuse(field: str, description: str, rule: Rule = "OTHER") -> InvalidRequestError:
    """The error of a single violation, to be raised."""
    return InvalidRequestError([Violation(field, description, rule)])
