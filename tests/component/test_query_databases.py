"""The same question has the same answer in SQLite, in PostgreSQL and by hand."""

from __future__ import annotations

import json
import random
import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.database.tables import CHECKOUTS
from streams.api.query.paging import Position
from streams.api.query.reading import read_filter
from streams.api.query.sorting import read_sort, reverse
from streams.api.rows import row_of
from streams.api.selection import beyond, matching, ordered, sort_columns
from streams.domain.knowledge import knowledge_of
from tests.support import query_by_hand
from tests.support.builders import T0, event, text
from tests.support.databases import PostgreSQL, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

#: Few values, so that filters hit; with what databases and languages disagree about.
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "Ab%",
    "a_b",
    "a/b",
    "Straße",
    "STRASSE",
    "ß",
    "İ",
    "ı",  # noqa: RUF001  # what it looks like is the point
    "Σ",
    "ς",
    "\u00e9",
    "e\u0301",
    "\ud7ff",
    "\ue000",
    "\U0010ffff",
    "a\U0010ffff",
    "😀",
    "=",
    "=a",
    " a",
    "'; DROP TABLE checkouts; --",
    "\x1f",
    "ada@mail.example",
    "ADA@mail.example",
    "x" * 99 + "é",
    "x" * 120,
    "x" * 121,
]
AMOUNTS = ["0", "0.5", "9", "9.50", "10", "85.5", "085.50", "1000000000000000", "0.000000001", "x"]
INSTANTS = [
    text(T0),
    "2026-03-01T12:00:00Z",
    "2026-03-01T13:00:00+01:00",
    "2026-03-01T12:00:00.000001Z",
    "2026-02-28T12:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "1969-12-31T23:59:59.999999Z",
]
ACTIVITIES = ["EMAIL_SENT", "email_sent", "SCHEDULED", "EMAIL", "NEW\x1fTYPE", ""]
ASKED_AMOUNTS = [
    *AMOUNTS[:-1],
    "-1",
    "-0",
    9,
    9.5,
    "85.5000000000000001",
    "1" + "0" * 25,
]


def a_random_entity(rng: random.Random, number: int) -> dict[str, Any]:
    def maybe(value: Any) -> Any:
        return rng.choice([value, value, value, None, "missing"])

    def part(**values: Any) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != "missing"}

    identifier = f"{number:08x}-0000-4000-8000-{rng.randrange(16**12):012x}"
    return part(
        id=rng.choice([identifier, identifier.upper()]),
        createdDate=maybe(rng.choice(INSTANTS)),
        updatedDate=maybe(rng.choice(INSTANTS)),
        status=maybe(rng.choice(["ABANDONED", "RECOVERED", "abandoned"])),
        buyerInfo=maybe(
            part(
                contactId=maybe(rng.choice(TEXTS)),
                email=maybe(rng.choice(TEXTS)),
                visitorId=maybe(rng.choice([*TEXTS, 5, [], {}])),
            )
        ),
        contactDetails=maybe(
            part(firstName=maybe(rng.choice(TEXTS)), lastName=maybe(rng.choice(TEXTS)))
        ),
        totalPrice=maybe(
            part(amount=maybe(rng.choice(AMOUNTS)), convertedAmount=maybe(rng.choice(AMOUNTS)))
        ),
        activities=maybe(
            [part(type=maybe(rng.choice(ACTIVITIES))) for _ in range(rng.randrange(4))]
        ),
        appliedDiscounts=maybe(
            [part(coupon=part(code=maybe(rng.choice(TEXTS)))) for _ in range(rng.randrange(3))]
        ),
    )


def filters() -> st.SearchStrategy[dict[str, Any]]:
    values: dict[str, st.SearchStrategy[Any]] = {
        "id": st.sampled_from(["00000001", "0000000", ""]) | st.sampled_from(string.hexdigits),
        "status": st.sampled_from(["ABANDONED", "RECOVERED"]),
        **dict.fromkeys(query_by_hand.INSTANTS, st.sampled_from(INSTANTS)),
        **dict.fromkeys(query_by_hand.AMOUNTS, st.sampled_from(ASKED_AMOUNTS)),
        "activities.type": st.sampled_from(ACTIVITIES),
    }
    texts = st.sampled_from(TEXTS)
    conditions = []
    for name in (*query_by_hand.SCALARS, *sorted(query_by_hand.LISTS)):
        value = values.get(name, texts)
        operators: dict[str, st.SearchStrategy[Any]] = {
            **dict.fromkeys(("$eq", "$ne"), value | st.none()),
            **dict.fromkeys(("$in", "$nin"), st.lists(value | st.none(), max_size=3)),
            **dict.fromkeys(("$hasSome", "$any"), st.lists(value, max_size=3)),
            "$hasAll": st.lists(value, min_size=1, max_size=2),
            **dict.fromkeys(("$exists", "$isEmpty"), st.booleans()),
        }
        if name != "status" and name not in query_by_hand.LISTS:
            operators.update(dict.fromkeys(("$lt", "$lte", "$gt", "$gte"), value))
        if name in query_by_hand.LISTS:
            operators["$contains"] = value
        elif name == "id" or name not in values:
            parts = value.filter(lambda part: len(part.casefold()) <= 100)
            operators.update(
                dict.fromkeys(("$startsWith", "$begins", "$endsWith", "$contains"), parts)
            )
        one = st.fixed_dictionaries({}, optional=operators).filter(bool)
        conditions.append(
            st.fixed_dictionaries({name: one | one.map(lambda inner: {"$not": inner}) | value})
        )
    return st.recursive(
        st.one_of(conditions),
        lambda inner: (
            st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=3)})
            | st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=3)})
            | st.fixed_dictionaries({"$not": inner})
            | st.tuples(inner, inner).map(lambda two: {**two[0], **two[1]})
        ),
        max_leaves=5,
    )


sorts = st.lists(
    st.fixed_dictionaries(
        {"fieldName": st.sampled_from(query_by_hand.SCALARS)},
        optional={"order": st.sampled_from(["ASC", "DESC"])},
    ),
    max_size=3,
    unique_by=lambda key: key["fieldName"],
)


class Stored(list[tuple[dict[str, Any], dict[str, Any]]]):
    """Entities as they are served, and their rows; too many to be shown."""

    def __repr__(self) -> str:
        return f"{len(self)} checkouts"


@pytest.fixture(scope="module")
def rows() -> Stored:
    rng = random.Random(5)
    found = Stored()
    for number in range(300):
        made = event("created", a_random_entity(rng, number), event_id=f"e{number}", when=T0)
        identifier = f"{number:08x}-0000-4000-8000-{rng.randrange(16**12):012x}"
        row = row_of(identifier, knowledge_of(made))
        found.append((json.loads(row["entity"]), row))
    return found


@pytest.fixture(scope="module")
def engines(
    tmp_path_factory: pytest.TempPathFactory,
    postgres: PostgreSQL,
    rows: Stored,
) -> Iterator[list[Engine]]:
    folder: Path = tmp_path_factory.mktemp("query")
    made = [writing_engine(sqlite_database(folder)), writing_engine(postgres.new_database())]
    for engine in made:
        migrate(engine)
        with engine.begin() as connection:
            connection.execute(insert(CHECKOUTS), [row for _, row in rows])
    yield made
    for engine in made:
        engine.dispose()


#: To shrink a failure would take longer than to read it.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(max_examples=150, phases=_PHASES)
@given(filter_=filters(), sort=sorts)
def test_both_databases_and_a_plain_evaluation_give_the_same_checkouts_in_the_same_order(
    engines: list[Engine],
    rows: Stored,
    filter_: dict[str, Any],
    sort: list[dict[str, str]],
) -> None:
    expected = [
        entity["id"].lower()
        for entity in query_by_hand.in_order([entity for entity, _ in rows], sort)
        if query_by_hand.matches(entity, filter_)
    ]
    query = select(CHECKOUTS.c.abandoned_checkout_id).where(matching(read_filter(filter_)))
    for engine in engines:
        with engine.connect() as connection:
            found = list(connection.scalars(ordered(query, read_sort(sort))))
        assert found == expected, engine.dialect.name


@settings(max_examples=40, phases=_PHASES)
@given(sort=sorts, at=st.integers(0, 299), is_inclusive=st.booleans())
def test_a_position_splits_the_order_in_two(
    engines: list[Engine], sort: list[dict[str, str]], at: int, *, is_inclusive: bool
) -> None:
    keys = read_sort(sort)
    for engine in engines:
        with engine.connect() as connection:
            every = connection.execute(
                ordered(select(CHECKOUTS.c.abandoned_checkout_id, *sort_columns(keys)), keys)
            ).all()
            ids = [row[0] for row in every]
            anchor = tuple(every[at][1:])
            after = ordered(select(CHECKOUTS.c.abandoned_checkout_id), keys).where(
                beyond(Position(anchor, is_inclusive=is_inclusive), keys)
            )
            back = reverse(keys)
            before = ordered(select(CHECKOUTS.c.abandoned_checkout_id), back).where(
                beyond(Position(anchor, is_backward=True, is_inclusive=is_inclusive), back)
            )
            assert list(connection.scalars(after)) == ids[at + (not is_inclusive) :]
            assert list(connection.scalars(before)) == ids[: at + is_inclusive][::-1]
