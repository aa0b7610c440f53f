"""A whole question: what to look for, in which order, which page of it, and which parts.

The question itself (filter, search, sort) keeps the JSON that it was read from, for a cursor must
carry it to the next request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from streams.api.query.fields import SEARCHED, Field, wire_path
from streams.api.query.filters import All, Any, Filter, Match, Place, fields_of
from streams.api.query.paging import CursorPage, Page, read_page
from streams.api.query.projection import Projection, read_projection
from streams.api.query.reading import LONGEST_PART, read_filter
from streams.api.query.sorting import Sort, read_sort
from streams.api.query.violations import PersonalFieldError, refuse

#: So that a cursor, which carries it, stays within what Wix's SDK allows.
LARGEST_FILTER: Final = 8_000
_MOST_SEARCHED: Final = 20
_MODES: Final = frozenset({"OR", "AND"})


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for, in which order; ``source`` is its JSON."""

    source: Mapping[str, object]
    filter: Filter
    sort: Sort

    def require_impersonal(self) -> None:
        """Check that its answer depends on nothing personal.

        Raises:
            PersonalFieldError: with the fields that it does depend on.
        """
        used = {*fields_of(self.filter), *(key.field for key in self.sort)}
        personal = sorted(field.path for field in used if field.is_personal)
        if personal:
            raise PersonalFieldError(personal)


@dataclass(frozen=True, slots=True)
class Request:
    """A question with a page and parts. ``is_question_given``: it is not left to the cursor."""

    question: Question
    page: Page
    projection: Projection | None
    is_question_given: bool


def read_query(body: object) -> Request:
    """The body of Query: ``{"query": {…}}``; without it, everything.

    Raises:
        InvalidRequestError: naming the field.
    """
    return _read(body, "query", has_search=False)


def read_search(body: object) -> Request:
    """The body of Search: ``{"search": {…}}``.

    Raises:
        InvalidRequestError: naming the field.
    """
    return _read(body, "search", has_search=True)


def read_question(source: Mapping[str, object], *, at: str) -> Question:
    """The question that filter, sort and search make.

    Raises:
        InvalidRequestError: naming the field.
    """
    wanted = read_filter(source.get("filter"), at=f"{at}.filter")
    if len(orjson.dumps(source.get("filter"))) > LARGEST_FILTER:
        raise refuse(f"{at}.filter", f"is larger than {LARGEST_FILTER} bytes", "MAX_LENGTH")
    found = _read_terms(source.get("search"), at=f"{at}.search")
    return Question(
        source={name: source[name] for name in ("filter", "search", "sort") if source.get(name)},
        filter=wanted if found is None else All((wanted, found)),
        sort=read_sort(source.get("sort"), at=f"{at}.sort"),
    )


def _read(body: object, name: str, *, has_search: bool) -> Request:
    if not isinstance(body, Mapping):
        raise refuse(name, "must be in a JSON object", "FORMAT")
    source = body.get(name)
    if source is None:
        source = {}
    if not isinstance(source, Mapping):
        raise refuse(name, "must be an object", "FORMAT")
    if not has_search:
        source = {key: value for key, value in source.items() if key != "search"}
    page = read_page(source, at=name)
    question = read_question(source, at=name)
    return Request(
        question=question,
        page=page,
        projection=None
        if has_search
        else read_projection(source.get("fields"), at=f"{name}.fields"),
        is_question_given=bool(question.source)
        or not (isinstance(page, CursorPage) and page.cursor),
    )


def _read_terms(source: object, *, at: str) -> Filter | None:
    """Words that must be in one of the fields, whatever their case; all of them, or any."""
    if source is None:
        return None
    if not isinstance(source, Mapping):
        raise refuse(at, "must be an object", "FORMAT")
    mode = "OR" if source.get("mode") is None else source["mode"]
    if not isinstance(mode, str) or mode not in _MODES:
        raise refuse(f"{at}.mode", "must be OR or AND", "FORMAT")
    fields = _searched(source.get("fields"), at=f"{at}.fields")
    expression = source.get("expression")
    if expression is None:
        return None
    if not isinstance(expression, str):
        raise refuse(f"{at}.expression", "must be a string", "FORMAT")
    if len(expression) > LONGEST_PART:
        raise refuse(f"{at}.expression", f"is longer than {LONGEST_PART} characters", "MAX_LENGTH")
    terms = [term.casefold() for term in expression.replace("\0", " ").split()]
    if not terms:
        return None
    found = tuple(
        Any(tuple(Match(field, Place.ANYWHERE, term) for field in fields)) for term in terms
    )
    return All(found) if mode == "AND" else Any(found)


def _searched(source: object, *, at: str) -> tuple[Field, ...]:
    if source is None or source == []:
        return SEARCHED
    if not isinstance(source, list):
        raise refuse(at, "must be a list", "FORMAT")
    if len(source) > _MOST_SEARCHED:
        raise refuse(at, f"has more than {_MOST_SEARCHED} fields", "MAX_SIZE")
    known = {field.path: field for field in SEARCHED}
    found = []
    for index, name in enumerate(source):
        field = known.get(wire_path(name)) if isinstance(name, str) else None
        if field is None:
            raise refuse(f"{at}[{index}]", f"can't be searched; fields are {', '.join(known)}")
        found.append(field)
    return tuple(dict.fromkeys(found))
