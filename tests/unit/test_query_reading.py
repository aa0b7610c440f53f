from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.api.query.fields import FIELDS
from streams.api.query.filters import All, Compare, Match, Not, OneOf, Order, Place
from streams.api.query.filters import Any as AnyOf
from streams.api.query.paging import CursorPage, OffsetPage, Position, neighbours
from streams.api.query.projection import project, read_projection
from streams.api.query.questions import read_query, read_search
from streams.api.query.reading import DEEPEST, MOST_CONDITIONS, MOST_VALUES, read_filter
from streams.api.query.sorting import read_sort
from streams.api.query.violations import InvalidRequestError, PersonalFieldError

STATUS = FIELDS["status"]
AMOUNT = FIELDS["totalPrice.amount"]
CREATED = FIELDS["createdDate"]
EMAIL = FIELDS["buyerInfo.email"]
ACTIVITY = FIELDS["activities.type"]
ABANDONED = OneOf(STATUS, ("ABANDONED",))


@pytest.mark.parametrize(
    ("source", "tree"),
    [
        (None, All(())),
        ({}, All(())),
        ({"status": "ABANDONED"}, ABANDONED),
        ({"status": {"$eq": "ABANDONED"}}, ABANDONED),
        ({"status": {"$ne": "ABANDONED"}}, Not(ABANDONED)),
        ({"status": {"$not": {"$eq": "ABANDONED"}}}, Not(ABANDONED)),
        ({"$not": {"status": "ABANDONED"}}, Not(ABANDONED)),
        ({"$not": [{"status": "ABANDONED"}]}, Not(ABANDONED)),
        ({"$and": [{"status": "ABANDONED"}, {}]}, All((ABANDONED, All(())))),
        ({"$or": [{"status": "ABANDONED"}]}, AnyOf((ABANDONED,))),
        (
            {"totalPrice.amount": {"$gt": "9.5", "$lte": 100}},
            All(
                (
                    Compare(AMOUNT, Order.MORE, Decimal("9.5")),
                    Compare(AMOUNT, Order.AT_MOST, Decimal(100)),
                )
            ),
        ),
        (
            {"_createdDate": {"$gte": "2026-01-01T00:00:00+01:00"}},
            Compare(CREATED, Order.AT_LEAST, datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ),
        (
            {"createdDate": {"$date": "2026-01-01T00:00:00Z"}},
            OneOf(CREATED, (datetime(2026, 1, 1, tzinfo=UTC),)),
        ),
        ({"buyerInfo.email": None}, OneOf(EMAIL, (None,))),
        ({"buyerInfo.email": {"$exists": True}}, Not(OneOf(EMAIL, (None,)))),
        ({"buyerInfo.email": {"$exists": False}}, OneOf(EMAIL, (None,))),
        ({"buyerInfo.email": {"$isEmpty": True}}, OneOf(EMAIL, (None, ""))),
        ({"buyerInfo.email": {"$in": [None, "a@b.example"]}}, OneOf(EMAIL, (None, "a@b.example"))),
        ({"buyerInfo.email": {"$nin": ["x"]}}, Not(OneOf(EMAIL, ("x",)))),
        ({"buyerInfo.email": {"$begins": "ADA"}}, Match(EMAIL, Place.START, "ada")),
        ({"activities.type": "EMAIL_SENT"}, OneOf(ACTIVITY, ("EMAIL_SENT",))),
        ({"activities.type": {"$any": ["A", "B"]}}, OneOf(ACTIVITY, ("A", "B"))),
        (
            {"activities.type": {"$hasAll": ["A", "B"]}},
            All((OneOf(ACTIVITY, ("A",)), OneOf(ACTIVITY, ("B",)))),
        ),
        ({"id": "0A1B"}, OneOf(FIELDS["id"], ("0a1b",))),
    ],
)
def test_a_filter_is_read_as_the_tree_that_it_means(source: object, tree: object) -> None:
    assert read_filter(source) == tree


def nested(depth: int) -> dict[str, Any]:
    return {} if depth == 0 else {"$and": [nested(depth - 1)]}


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("status", "filter"),
        ([], "filter"),
        ({"nonsense": 1}, "filter.nonsense"),
        ({"buyerInfo": {"email": "x"}}, "filter.buyerInfo"),
        ({"$where": "1"}, "filter.$where"),
        ({"status": {"$regex": "A"}}, "filter.status.$regex"),
        ({"status": {}}, "filter.status"),
        ({"status": "OPEN"}, "filter.status"),
        ({"status": 1}, "filter.status"),
        ({"status": ["ABANDONED"]}, "filter.status"),
        ({"status": {"$gt": "ABANDONED"}}, "filter.status.$gt"),
        ({"status": {"$in": "ABANDONED"}}, "filter.status.$in"),
        ({"status": {"$in": [1]}}, "filter.status.$in[0]"),
        ({"id": {"$in": ["x"] * (MOST_VALUES + 1)}}, "filter.id.$in"),
        ({"id": {"$hasAll": []}}, "filter.id.$hasAll"),
        ({"id": {"$exists": "yes"}}, "filter.id.$exists"),
        ({"id": {"$gt": None}}, "filter.id.$gt"),
        ({"id": "x" * 513}, "filter.id"),
        ({"id": "x\0"}, "filter.id"),
        ({"id": {"$startsWith": "x" * 101}}, "filter.id.$startsWith"),
        ({"createdDate": "yesterday"}, "filter.createdDate"),
        ({"createdDate": ""}, "filter.createdDate"),
        ({"createdDate": 1}, "filter.createdDate"),
        ({"createdDate": {"$startsWith": "2026"}}, "filter.createdDate.$startsWith"),
        ({"totalPrice.amount": "1e3"}, "filter.totalPrice.amount"),
        ({"totalPrice.amount": True}, "filter.totalPrice.amount"),
        ({"totalPrice.amount": 1e300}, "filter.totalPrice.amount"),
        ({"totalPrice.amount": 10**5000}, "filter.totalPrice.amount"),
        ({"totalPrice.amount": float("nan")}, "filter.totalPrice.amount"),
        ({"activities.type": {"$gt": "A"}}, "filter.activities.type.$gt"),
        ({"$or": []}, "filter.$or"),
        ({"$and": {}}, "filter.$and"),
        ({"$and": [1]}, "filter.$and[0]"),
        ({"$or": [{"nonsense": 1}]}, "filter.$or[0].nonsense"),
        ({"$or": [{}] * (MOST_CONDITIONS + 1)}, "filter.$or"),
    ],
)
def test_what_is_wrong_in_a_filter_is_named(source: object, field: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        read_filter(source)
    assert [one.field for one in error.value.violations] == [field]


def test_depth_and_number_of_conditions_are_bounded() -> None:
    read_filter(nested(DEEPEST - 1))
    with pytest.raises(InvalidRequestError, match="nested deeper"):
        read_filter(nested(DEEPEST))
    many = {"$or": [{"status": "ABANDONED"}] * MOST_CONDITIONS}
    read_filter(many)
    with pytest.raises(InvalidRequestError, match="conditions"):
        read_filter({**many, "status": "ABANDONED"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FIELDS, "$and", "$or", "$not", "$in", "$gt", "$exists", "$date"])
            | st.text(max_size=4),
            inner,
            max_size=3,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_whatever_the_json_is_it_is_read_or_refused(source: object) -> None:
    for read, body in (
        (read_query, {"query": source}),
        (read_search, {"search": source}),
        (read_filter, source),
    ):
        with suppress(InvalidRequestError):
            read(body)


def test_a_sort_is_made_total_by_the_id_and_is_newest_first_if_none_is_given() -> None:
    def keys(source: object) -> list[tuple[str, bool]]:
        return [(key.field.path, key.is_descending) for key in read_sort(source)]

    assert keys(None) == [("createdDate", True), ("id", True)]
    assert keys([{"fieldName": "status"}]) == [("status", False), ("id", False)]
    assert keys([{"fieldName": "id", "order": "DESC"}, {"fieldName": "status"}]) == [("id", True)]
    assert keys([{"fieldName": "_updatedDate", "order": "DESC"}, {"fieldName": "updatedDate"}]) == [
        ("updatedDate", True),
        ("id", False),
    ]


@pytest.mark.parametrize(
    ("sort", "field"),
    [
        ("createdDate", "sort"),
        (["createdDate"], "sort[0]"),
        ([{}], "sort[0].fieldName"),
        ([{"fieldName": "nonsense"}], "sort[0].fieldName"),
        ([{"fieldName": "activities.type"}], "sort[0].fieldName"),
        ([{"fieldName": "id", "order": "UP"}], "sort[0].order"),
        ([{"fieldName": "id", "order": []}], "sort[0].order"),
        ([{"fieldName": "id"}] * 5, "sort"),
    ],
)
def test_what_is_wrong_in_a_sort_is_named(sort: object, field: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        read_sort(sort)
    assert error.value.violations[0].field == field


def test_a_page_is_by_offset_or_by_cursor() -> None:
    assert read_query({}).page == OffsetPage(50, 0)
    assert read_query({"query": {"paging": {"limit": 7, "offset": 3}}}).page == OffsetPage(7, 3)
    assert read_query({"query": {"cursorPaging": {}}}).page == CursorPage(50)
    assert read_query({"query": {"cursorPaging": {"cursor": "c", "limit": 1}}}).page == CursorPage(
        1, "c"
    )


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ({"paging": {}, "cursorPaging": {}}, "query", "ONE_OF_ALIGNMENT"),
        ({"paging": []}, "query.paging", "FORMAT"),
        ({"paging": {"limit": 101}}, "query.paging.limit", "MAX"),
        ({"paging": {"limit": 0}}, "query.paging.limit", "MIN"),
        ({"paging": {"limit": "5"}}, "query.paging.limit", "FORMAT"),
        ({"paging": {"limit": True}}, "query.paging.limit", "FORMAT"),
        ({"paging": {"offset": -1}}, "query.paging.offset", "MIN"),
        ({"paging": {"offset": 10**9}}, "query.paging.offset", "MAX"),
        ({"cursorPaging": {"cursor": 1}}, "query.cursorPaging.cursor", "FORMAT"),
        ({"fields": "id"}, "query.fields", "FORMAT"),
        ({"fields": ["a..b"]}, "query.fields[0]", "FORMAT"),
        ({"fields": [1]}, "query.fields[0]", "FORMAT"),
        ({"filter": {"id": {"$in": ["x" * 500] * 50}}}, "query.filter", "MAX_LENGTH"),
    ],
)
def test_what_is_wrong_with_a_page_or_its_parts_is_named(
    query: object, field: str, rule: str
) -> None:
    with pytest.raises(InvalidRequestError) as error:
        read_query({"query": query})
    assert [(one.field, one.rule) for one in error.value.violations] == [(field, rule)]


def test_a_search_looks_for_words_in_names_and_e_mail() -> None:
    found = read_search({"search": {"search": {"expression": "Ada  LOVE", "mode": "AND"}}})
    terms = found.question.filter
    assert isinstance(terms, All)
    words = terms.parts[1]
    assert isinstance(words, All)
    assert len(words.parts) == 2
    with pytest.raises(PersonalFieldError) as error:
        found.question.require_impersonal()
    assert error.value.fields == (
        "buyerInfo.email",
        "contactDetails.firstName",
        "contactDetails.lastName",
    )


@pytest.mark.parametrize(
    ("search", "field"),
    [
        ({"expression": "x" * 101}, "search.search.expression"),
        ({"expression": 5}, "search.search.expression"),
        ({"expression": "x", "mode": "XOR"}, "search.search.mode"),
        ({"expression": "x", "fields": ["status"]}, "search.search.fields[0]"),
        ("x", "search.search"),
    ],
)
def test_what_is_wrong_in_a_search_is_named(search: object, field: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        read_search({"search": {"search": search}})
    assert error.value.violations[0].field == field


def test_sorting_by_personal_data_needs_leave_too() -> None:
    asked = read_query({"query": {"sort": [{"fieldName": "buyerInfo.email"}]}})
    with pytest.raises(PersonalFieldError):
        asked.question.require_impersonal()
    read_query({"query": {"filter": {"status": "ABANDONED"}}}).question.require_impersonal()


def test_a_projection_keeps_the_named_parts_and_nothing_else() -> None:
    entity = {
        "id": "1",
        "totalPrice": {"amount": "1", "formattedAmount": "€1"},
        "lineItems": [{"id": "l", "quantity": 1}, {"quantity": 2}],
    }
    fields = ["_id", "totalPrice.amount", "lineItems.quantity", "lineItems", "x.y", "id.deeper"]
    assert project(entity, read_projection(fields)) == {
        "id": "1",
        "totalPrice": {"amount": "1"},
        "lineItems": entity["lineItems"],
    }
    assert project(entity, read_projection(["lineItems.quantity", "id"])) == {
        "id": "1",
        "lineItems": [{"quantity": 1}, {"quantity": 2}],
    }
    assert project(entity, read_projection(None)) == entity
    json.dumps(project(entity, read_projection(["totalPrice"])))


def test_an_empty_page_leads_back_to_where_it_was_entered() -> None:
    entered = Position(("a",))
    assert neighbours([], position=entered, has_more=False).previous == Position(
        ("a",), is_backward=True, is_inclusive=True
    )
    first = neighbours([("a",), ("b",)], position=None, has_more=True)
    assert first.previous is None
    assert first.following == Position(("b",))
    back = neighbours([("a",)], position=Position(("b",), is_backward=True), has_more=False)
    assert back.previous is None
    assert back.following == Position(("a",))
