"""What the API documents can be asked without a scan of the table, in both databases.

``CHECKOUT_RECOVERY_TEST_ROWS`` makes the table larger; a million rows were looked at by hand.
"""

from __future__ import annotations

import os
import random
import re
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, Select, and_, insert, text

from streams.adapters.database.columns import NO_INSTANT, amount_key, instant_key, text_key
from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.database.tables import CHECKOUTS
from streams.api.callers import Caller, Scope
from streams.api.lookup import names_in_use, page_query, visible_by
from streams.api.overview.history import recent_query
from streams.api.query.paging import Position
from streams.api.query.questions import read_query
from streams.api.selection import matching
from tests.support.api import checkout
from tests.support.builders import at
from tests.support.databases import PostgreSQL, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

ROWS = int(os.environ.get("CHECKOUT_RECOVERY_TEST_ROWS", "6000"))
SITES = [str(uuid.UUID(int=number)) for number in range(50)]
#: An answer has 51 rows; so many may be looked at for it, each step of a plan by itself.
MOST_ROWS = ROWS // 2


def many() -> Iterator[list[dict[str, Any]]]:
    """Rows of a busy installation: fifty sites, one buyer in three comes back."""
    rng = random.Random(7)
    template = checkout(1)
    for start in range(0, ROWS, 5_000):
        chunk = []
        for number in range(start, min(start + 5_000, ROWS)):
            who, name = f"b{rng.randrange(ROWS)}@mail.example", f"Ada{rng.randrange(ROWS)}"
            member = str(uuid.UUID(int=rng.randrange(ROWS)))
            status = rng.choice(["ABANDONED", "ABANDONED", "RECOVERED"])
            texts = {
                "status": status,
                "email": who,
                "first_name": name,
                "last_name": name,
                **dict.fromkeys(("contact_id", "visitor_id", "member_id"), member),
                "user_id": None if rng.randrange(10) else member,
            }
            chunk.append(
                {
                    **template,
                    "abandoned_checkout_id": str(uuid.UUID(int=rng.getrandbits(128))),
                    "instance_id": rng.choice(SITES),
                    "created_at": instant_key(at(number)),
                    "updated_at": instant_key(at(number + rng.randrange(1_000))),
                    "recovered_at": NO_INSTANT
                    if status == "ABANDONED"
                    else instant_key(at(number + rng.randrange(1_000))),
                    "total_amount": amount_key(Decimal(rng.randrange(100_000)) / 100),
                    "total_converted_amount": amount_key(Decimal(rng.randrange(100_000)) / 100),
                    **texts,
                    **{f"{column}_key": text_key(value) for column, value in texts.items()},
                }
            )
        yield chunk


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    server: PostgreSQL = request.getfixturevalue("postgres")
    is_sqlite = request.param == "sqlite"
    folder = tmp_path_factory.mktemp("plans")
    made = writing_engine(sqlite_database(folder) if is_sqlite else server.new_database())
    migrate(made)
    for chunk in many():
        with made.begin() as connection:
            connection.execute(insert(CHECKOUTS), chunk)
    if not is_sqlite:  # SQLite never gathers statistics by itself, so it must do without
        with made.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("VACUUM ANALYZE checkouts"))
    yield made
    made.dispose()


DAY = {"$gte": "2026-03-02T00:00:00Z", "$lt": "2026-03-03T00:00:00Z"}
NEWEST = [{"fieldName": "createdDate", "order": "DESC"}]
QUERIES: dict[str, dict[str, Any]] = {
    "everything": {},
    "status": {"filter": {"status": "ABANDONED"}},
    "status and day": {"filter": {"status": "ABANDONED", "createdDate": DAY}, "sort": NEWEST},
    "id": {"filter": {"id": {"$in": [SITES[1], SITES[2]]}}},
    "created": {"filter": {"createdDate": DAY}},
    "updated": {"filter": {"updatedDate": DAY}, "sort": [{"fieldName": "updatedDate"}]},
    "amount": {
        "filter": {"totalPrice.amount": {"$gt": "999.50"}},
        "sort": [{"fieldName": "totalPrice.amount"}],
    },
    "converted": {
        "filter": {"totalPrice.convertedAmount": {"$lte": "0.50"}},
        "sort": [{"fieldName": "totalPrice.convertedAmount"}],
    },
    "two keys": {"sort": [{"fieldName": "status", "order": "DESC"}, *NEWEST]},
}
for _field in ("contactId", "visitorId", "memberId", "userId"):
    QUERIES[_field] = {"filter": {f"buyerInfo.{_field}": SITES[3]}}
QUERIES["email"] = {"filter": {"buyerInfo.email": "b77@mail.example"}}
QUERIES["email begins"] = {"filter": {"buyerInfo.email": {"$startsWith": "B77@"}}}
QUERIES["first name"] = {"filter": {"contactDetails.firstName": "Ada99"}}
QUERIES["last name begins"] = {"filter": {"contactDetails.lastName": {"$startsWith": "ada100"}}}
EVERY_SITE = Caller("all", None, frozenset(Scope))
ONE_SITE = Caller("one", frozenset({SITES[5]}), frozenset(Scope))


@pytest.mark.parametrize("caller", [EVERY_SITE, ONE_SITE], ids=["every site", "one site"])
@pytest.mark.parametrize("name", QUERIES)
def test_no_documented_question_reads_the_whole_table(
    engine: Engine, name: str, caller: Caller
) -> None:
    question = read_query({"query": QUERIES[name]}).question
    with engine.connect() as connection:
        known = connection.execute(names_in_use(caller)).one()
        columns = [CHECKOUTS.c[name] for name in known._fields if getattr(known, name)]
        condition = and_(visible_by(caller, *columns), matching(question.filter))
        first = page_query(question, condition, None).limit(51)
        rows = connection.execute(first).all()
        assert_uses_indexes(connection, first)
        if rows:
            onwards = Position(tuple(rows[-1][1:]))
            assert_uses_indexes(connection, page_query(question, condition, onwards).limit(51))


@pytest.mark.parametrize("site", [None, SITES[5]], ids=["every site", "one site"])
def test_the_latest_recoveries_are_read_off_an_index(engine: Engine, site: str | None) -> None:
    query = recent_query(EVERY_SITE, site, 20, now=at(days=365))
    with engine.connect() as connection:
        assert len(connection.execute(query).all()) == 20
        assert_uses_indexes(connection, query)


def assert_uses_indexes(connection: Connection, query: Select[Any]) -> None:
    compiled = query.compile(connection, compile_kwargs={"render_postcompile": True})
    parameters = compiled.construct_params()
    if connection.dialect.name == "sqlite":
        ordered = tuple(parameters[name] for name in compiled.positiontup or ())
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", ordered).all()
        for step in steps:
            assert not re.fullmatch(r"SCAN checkouts", step[3]), steps
        return
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}"
    plan = connection.exec_driver_sql(explain, parameters).scalar_one()[0]["Plan"]
    assert "Seq Scan" not in str(plan), plan
    assert looked_at(plan) < MOST_ROWS, plan


def looked_at(plan: dict[str, Any]) -> float:
    """Rows that a plan and its parts read or threw away."""
    own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return float(own + sum(looked_at(part) for part in plan.get("Plans", ())))
