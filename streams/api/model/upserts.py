"""Writes many rows of a table in one statement, on either database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Column, Connection, Table

    Rows = Collection[Mapping[str, Any]]

#: PostgreSQL's names of the columns' types; all others are text.
_TYPES: Final = (
    (BigInteger, "bigint"),
    (Integer, "integer"),
    (Boolean, "boolean"),
    (LargeBinary, "bytea"),
)


def upsert(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, of each primary key one; those that are there take the new values."""
    if not rows:
        return
    changed = [column.name for column in table.columns if not column.primary_key]
    if connection.dialect.name == "postgresql":
        values = ", ".join(f'"{name}" = excluded."{name}"' for name in changed)
        keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
        _insert_unnested(connection, table, rows, f"({keys}) DO UPDATE SET {values}")
        return
    insert = sqlite.insert(table)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=table.primary_key.columns,
            set_={name: insert.excluded[name] for name in changed},
        ),
        list(rows),
    )


def upsert_adding(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, of each primary key one; those that are there get the new values added."""
    if not rows:
        return
    added = [column.name for column in table.columns if not column.primary_key]
    if connection.dialect.name == "postgresql":
        values = ", ".join(
            f'"{name}" = "{table.name}"."{name}" + excluded."{name}"' for name in added
        )
        keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
        _insert_unnested(connection, table, rows, f"({keys}) DO UPDATE SET {values}")
        return
    insert = sqlite.insert(table)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=table.primary_key.columns,
            set_={name: table.c[name] + insert.excluded[name] for name in added},
        ),
        list(rows),
    )


def insert_new(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows; those whose primary key is there are left as they are."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _insert_unnested(connection, table, rows, "DO NOTHING")
        return
    connection.execute(sqlite.insert(table).on_conflict_do_nothing(), list(rows))


def _insert_unnested(connection: Connection, table: Table, rows: Rows, on_conflict: str) -> None:
    """One array for each column, in binary form: in text form psycopg escapes it in Python."""
    columns: Sequence[Column[Any]] = list(table.columns)
    names = ", ".join(f'"{column.name}"' for column in columns)
    arrays = ", ".join(f"%b::{_type(column)}[]" for column in columns)
    connection.exec_driver_sql(
        f'INSERT INTO "{table.name}" ({names}) SELECT * FROM unnest({arrays}) '  # noqa: S608  # names of our own tables
        f"ON CONFLICT {on_conflict}",
        tuple([row[column.name] for row in rows] for column in columns),
    )


def _type(column: Column[Any]) -> str:
    return next((name for kind, name in _TYPES if isinstance(column.type, kind)), "text")
