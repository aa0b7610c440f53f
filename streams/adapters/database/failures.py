"""What a failure of the database means for the one who asked."""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
)

#: Classes of SQLSTATE: connection, invalid transaction state (paused for too long), transaction
#: rolled back, resources, object in use (a lock), operator's intervention.
_PASSING: Final = ("08", "25", "40", "53", "55", "57")
#: A value, a rule of the tables, a limit of the program such as the size of an index entry.
_VALUES: Final = ("22", "23", "54")


def is_passing(error: SQLAlchemyError) -> bool:
    """Whether the same may succeed later: the database is away, busy, or gave way to another."""
    if not isinstance(error, DBAPIError):
        return False
    state = _state(error)
    if state:
        return state.startswith(_PASSING)
    return isinstance(error, OperationalError) or error.connection_invalidated


def is_about_values(error: SQLAlchemyError) -> bool:
    """Whether the database can't hold what it was given, now or ever."""
    if not isinstance(error, DBAPIError):
        return False
    state = _state(error)
    return state.startswith(_VALUES) if state else isinstance(error, DataError | IntegrityError)


def _state(error: DBAPIError) -> str:
    """PostgreSQL's five characters; SQLite has none."""
    return getattr(error.orig, "sqlstate", None) or ""
