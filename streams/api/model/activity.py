"""Writes how checkouts changed the counts of the hours.

Invariant: rows are what is left of the changes, and those that come to nothing are no rows, so the
same checkouts make the same rows in whatever order their events came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete

from streams.adapters.database.activity import hour_of
from streams.adapters.database.tables import ACTIVITY, RECOVERY_TIMES
from streams.api.model.upserts import upsert_adding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from streams.adapters.database.activity import Activity


def apply_activity(connection: Connection, activity: Activity) -> None:
    """Add changes to what is there."""
    for table, rows in ((ACTIVITY, activity.hours()), (RECOVERY_TIMES, activity.times())):
        upsert_adding(connection, table, rows)
        _drop_empty(connection, table, rows)


def forget_activity(connection: Connection, *, before: datetime) -> None:
    """Drop the hours before an instant."""
    for table in (ACTIVITY, RECOVERY_TIMES):
        connection.execute(delete(table).where(table.c.hour < hour_of(before)))


def _drop_empty(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    keys = [column.name for column in table.primary_key.columns]
    counts = [column for column in table.columns if not column.primary_key]
    less = [
        {f"_{name}": row[name] for name in keys}
        for row in rows
        if any(row[column.name] < 0 for column in counts)
    ]
    if less:
        connection.execute(
            delete(table).where(
                and_(*(table.c[name] == bindparam(f"_{name}") for name in keys)),
                *(column == 0 for column in counts),
            ),
            less,
        )
