"""What the answers of the API are read with can't write."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import (
    Integer,
    Text,
    bindparam,
    cast,
    event,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, OperationalError

from streams.adapters.database.engines import database_url, reading_engine, writing_engine
from streams.adapters.database.failures import is_about_values, is_passing
from streams.adapters.database.schema import migrate, require_tables
from streams.adapters.database.single_reads import read_single
from streams.adapters.database.tables import CHECKOUTS, MODEL
from streams.api.model import Place
from streams.api.model.positions import begin_positions, move_position, read_positions
from streams.config import ConfigurationError
from tests.support.databases import PostgreSQL, sqlite_database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_database(tmp_path)
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.new_database()


async def test_a_reading_connection_reads_and_can_not_write(url: str) -> None:
    writing = writing_engine(url)
    migrate(writing)
    writing.dispose()
    engine = reading_engine(url)
    for _ in range(2):  # the second time on a connection of the pool
        async with engine.connect() as connection:
            assert (await connection.execute(select(CHECKOUTS))).all() == []
        with pytest.raises(DBAPIError):
            async with engine.begin() as connection:
                await connection.execute(text("DELETE FROM checkouts"))
    await engine.dispose()


async def test_a_statement_that_takes_too_long_is_given_up(postgres: PostgreSQL) -> None:
    engine = reading_engine(postgres.new_database())
    async with engine.connect() as connection:
        assert await connection.scalar(text("SHOW statement_timeout")) == "5s"
    await engine.dispose()


def test_a_process_that_is_paused_within_a_transaction_holds_up_no_other(
    postgres: PostgreSQL,
) -> None:
    url = postgres.new_database()
    paused, other = writing_engine(url), writing_engine(url)
    migrate(paused)
    place = Place("source", 0)
    with paused.begin() as connection:
        begin_positions(connection, [place])
    with paused.connect() as held:
        move_position(held, place, expected=0, next_offset=1, as_of=0)
        with other.begin() as connection:  # waits until PostgreSQL has ended what is paused
            begin_positions(connection, [place])
            move_position(connection, place, expected=0, next_offset=2, as_of=0)
        with pytest.raises(DBAPIError) as ended:
            held.execute(text("SELECT 1"))
    assert is_passing(ended.value)
    with other.connect() as connection:
        assert read_positions(connection) == {place: 2}
    paused.dispose()
    other.dispose()


def test_a_connection_that_the_server_ended_is_a_failure_that_passes(
    postgres: PostgreSQL,
) -> None:
    engine = writing_engine(postgres.new_database())
    with engine.connect() as ended, engine.connect() as other:
        number = ended.scalar(text("SELECT pg_backend_pid()"))
        other.execute(text(f"SELECT pg_terminate_backend({number}, 30000)"))
        with pytest.raises(DBAPIError) as failure:
            ended.execute(text("SELECT 1"))
        assert is_passing(failure.value)
        assert not is_about_values(failure.value)
    with engine.connect() as anew:
        assert anew.scalar(text("SELECT 1")) == 1
    engine.dispose()


ONE = select(MODEL.c.id).where(MODEL.c.id == bindparam("id"))
BROKEN = (
    select(literal_column("nonsense", Text)).select_from(MODEL).where(MODEL.c.id == bindparam("id"))
)


async def test_a_single_read_takes_a_connection_of_the_pool_and_gives_it_back(url: str) -> None:
    writing = writing_engine(url)
    migrate(writing)
    known = require_tables(writing)
    writing.dispose()
    engine = reading_engine(url)
    made: list[object] = []
    event.listen(engine.sync_engine, "connect", lambda connection, _: made.append(connection))
    for _ in range(3):
        assert await read_single(engine, ONE, {"id": known}) == (known,)
        assert await read_single(engine, ONE, {"id": "another"}) is None
        async with engine.connect() as connection:
            assert (await connection.execute(ONE, {"id": known})).all() == [(known,)]
    assert len(made) == 1
    with pytest.raises(DBAPIError):
        await read_single(engine, BROKEN, {"id": known})
    assert await read_single(engine, ONE, {"id": known}) == (known,)
    assert len(made) == 2
    await engine.dispose()


async def test_what_is_given_up_leaves_no_connection_that_answers_something_else(
    postgres: PostgreSQL,
) -> None:
    engine = reading_engine(postgres.new_database())
    slow = select(func.pg_sleep(literal_column("60"))).where(
        cast(bindparam("one"), Integer) == literal_column("1")
    )
    reading = asyncio.create_task(read_single(engine, slow, {"one": "1"}))
    await asyncio.sleep(0.2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    fast = select(cast(bindparam("one"), Text))
    for number in "123":
        assert await read_single(engine, fast, {"one": number}) == (number,)
    await engine.dispose()


async def test_a_single_read_on_a_connection_that_is_gone_fails_once(postgres: PostgreSQL) -> None:
    engine = reading_engine(postgres.new_database())
    number = select(func.pg_backend_pid()).where(
        cast(bindparam("one"), Integer) == literal_column("1")
    )
    (ended,) = await read_single(engine, number, {"one": "1"})
    writing = writing_engine(postgres.new_database())
    with writing.connect() as connection:
        connection.execute(text(f"SELECT pg_terminate_backend({ended}, 30000)"))
    writing.dispose()
    with pytest.raises(DBAPIError) as failure:
        await read_single(engine, number, {"one": "1"})
    assert is_passing(failure.value)
    (anew,) = await read_single(engine, number, {"one": "1"})
    assert anew != ended
    await engine.dispose()


async def test_a_server_that_is_not_there_fails_a_single_read_as_any_other() -> None:
    engine = reading_engine("postgresql://u@127.0.0.1:1/d")
    with pytest.raises(OperationalError) as failure:
        await read_single(engine, ONE, {"id": "1"})
    assert is_passing(failure.value)
    await engine.dispose()


@pytest.mark.parametrize(
    "statement", ["SELECT 1/0", "SELECT 'x'::integer", "INSERT INTO model VALUES (NULL)"]
)
def test_a_value_that_does_not_fit_never_passes(postgres: PostgreSQL, statement: str) -> None:
    engine = writing_engine(postgres.new_database())
    migrate(engine)
    with engine.connect() as connection, pytest.raises(DBAPIError) as failure:
        connection.execute(text(statement))
    assert is_about_values(failure.value)
    assert not is_passing(failure.value)
    engine.dispose()


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:"]
)
def test_a_database_that_can_not_be_used_is_refused_in_plain_words(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CHECKOUT_RECOVERY_DATABASE_URL"):
        database_url(url)


def test_a_server_that_is_gone_without_a_word_is_not_waited_for_unless_the_url_says_so() -> None:
    assert database_url("postgresql://u@h/d").query["connect_timeout"] == "5"
    assert database_url("postgresql://u@h/d?connect_timeout=60").query["connect_timeout"] == "60"


def test_the_driver_is_ours_to_choose() -> None:
    assert database_url("postgres://u@h/d").drivername == "postgresql+psycopg"
    assert database_url("postgresql+asyncpg://u@h/d").drivername == "postgresql+psycopg"
