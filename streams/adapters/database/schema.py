"""Brings a database to this release's tables, and says whether it is there.

Invariant: only ``migrate`` changes tables, and it does all of it or nothing.
Alembic is loaded by what needs it: a process that finds its tables as they should be does not.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import column, func, insert, inspect, select, table
from sqlalchemy.exc import SQLAlchemyError

from streams.adapters.database.tables import MODEL
from streams.adapters.errors import DatabaseError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

#: The newest of migrations/versions.
HEAD: Final = "0002"
#: Alembic's own.
_STEP: Final = table("alembic_version", column("version_num"))
#: Several processes may migrate at once; any number that is ours.
_LOCK: Final = 0x43_4B_52_43
_MIGRATE: Final = "run `checkout-recovery api --migrate`"


def migrate(engine: Engine) -> list[str]:
    """Make or change the tables; the names of the steps that were taken, oldest first.

    Safe to repeat, and to run in several processes at once.

    Raises:
        DatabaseError: it can't be reached or refuses, or was made by a newer release.
    """
    from alembic import command  # noqa: PLC0415  # see above
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # see above

    config = _config()
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            before = _known(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if connection.scalar(select(MODEL.c.id)) is None:
                connection.execute(insert(MODEL).values(id=str(uuid.uuid4())))
            script = ScriptDirectory.from_config(config)
            steps = script.iterate_revisions("head", before or "base")
            return [step.revision for step in steps if step.revision != before][::-1]
    except SQLAlchemyError as error:
        raise DatabaseError(f"the database can't be migrated: {plain(error)}") from None


def require_tables(engine: Engine) -> str:
    """The database's own id, if its tables are those of this release.

    Raises:
        DatabaseError: they are not, or it can't be reached; the message says what to do.
    """
    try:
        with engine.connect() as connection:
            known = _known(connection)
            if known == HEAD:
                return str(connection.scalars(select(MODEL.c.id)).one())
    except SQLAlchemyError as error:
        raise DatabaseError(
            f"the database does not answer: {plain(error)}. Is it running, and is "
            "CHECKOUT_RECOVERY_DATABASE_URL right?"
        ) from None
    if known is None:
        raise DatabaseError(f"the database has none of our tables: {_MIGRATE}")
    raise DatabaseError(
        f"the tables are those of step {known}, this release needs {HEAD}: {_MIGRATE}"
    )


def plain(error: SQLAlchemyError) -> str:
    """What the driver said, in one line, without statement and values."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


def _known(connection: Connection) -> str | None:
    """The step that the tables are at.

    Raises:
        DatabaseError: this release does not know it.
    """
    if not inspect(connection).has_table(_STEP.name):
        return None
    known: str | None = connection.scalar(select(_STEP))
    if known not in {None, HEAD} and known not in _steps():
        raise DatabaseError(
            f"the tables are those of step {known}, which a newer release made: run that release"
        )
    return known


def _steps() -> set[str]:
    """All steps that this release knows."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # see above

    return {step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415  # see above

    config = Config()
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
