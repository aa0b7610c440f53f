"""Writes many rows of a table at once, on either database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection, Table


def upsert(connection: Connection, table: Table, rows: Collection[Mapping[str, Any]]) -> None:
    """Insert rows; those whose primary key is there take the place of what was."""
    if rows:
        insert = _insert(connection, table)
        changed = {
            column.name: insert.excluded[column.name]
            for column in table.columns
            if not column.primary_key
        }
        connection.execute(
            insert.on_conflict_do_update(index_elements=table.primary_key.columns, set_=changed),
            list(rows),
        )


def insert_new(connection: Connection, table: Table, rows: Collection[Mapping[str, Any]]) -> None:
    """Insert rows; those whose primary key is there are left as they are."""
    if rows:
        insert = _insert(connection, table)
        connection.execute(insert.on_conflict_do_nothing(), list(rows))


def _insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
