"""Engines of the read model's database, the same behaviour on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import create_async_engine

from streams.config import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

_SQLITE_WAIT_SECONDS: Final = 10.0
#: Connections that stay; more requests wait for one. With some that close after each use, a burst
#: kept opening them, and at half of its best rate a process answered in 40 ms instead of in one.
_READERS: Final = 32
_SQLITE_READERS: Final = 8
_POOL_WAIT_SECONDS: Final = 5.0
_STATEMENT_MS: Final = 5_000
_IDLE_MS: Final = 5_000
_LOCK_MS: Final = 15_000
#: libpq's, unless the URL has its own: when the machine of a server is gone, nothing says so.
_PATIENCE: Final = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}


def database_url(text: str) -> URL:
    """The URL of a database that we can use; drivers are ours to choose.

    Raises:
        ConfigurationError: it is none, or of another database.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigurationError(
            "CHECKOUT_RECOVERY_DATABASE_URL is no URL; write sqlite:///folder/file.db or "
            "postgresql://user:password@host/database"
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise ConfigurationError(
                "CHECKOUT_RECOVERY_DATABASE_URL must name a file, as in sqlite:///folder/file.db: "
                "what is kept in memory is gone at the next start"
            )
        return url.set(drivername="sqlite")
    if backend in {"postgresql", "postgres"}:
        patient = {name: value for name, value in _PATIENCE.items() if name not in url.query}
        return url.set(drivername="postgresql+psycopg").update_query_dict(patient)
    raise ConfigurationError(
        f"CHECKOUT_RECOVERY_DATABASE_URL: {backend} is not supported; use SQLite or PostgreSQL"
    )


def writing_engine(text: str) -> Engine:
    """For the one thread that writes, and for commands.

    Raises:
        ConfigurationError: the URL can't be used, or the folder of the file can't be made.
    """
    url = database_url(text)
    if url.get_backend_name() == "sqlite":
        _make_folder(url)
        engine = create_engine(url, connect_args={"timeout": _SQLITE_WAIT_SECONDS})
        _prepare_sqlite(engine, "BEGIN IMMEDIATE", "PRAGMA journal_mode=WAL")
        return engine
    engine = create_engine(url, pool_size=2, max_overflow=2, pool_pre_ping=True)
    # one that is paused within a transaction must not hold up those that take over from it
    _on_connect(
        engine,
        f"SET idle_in_transaction_session_timeout = {_IDLE_MS}",
        f"SET lock_timeout = {_LOCK_MS}",
    )
    return engine


def reading_engine(text: str) -> AsyncEngine:
    """For the answers of the API: reads what is committed, can't write, gives up what takes long.

    Raises:
        ConfigurationError: the URL can't be used, or the folder of the file can't be made.
    """
    url = database_url(text)
    # What the engine reads ends its transaction itself; of single reads there is none to end.
    if url.get_backend_name() == "sqlite":
        _make_folder(url)
        engine = create_async_engine(
            url.set(drivername="sqlite+aiosqlite"),
            connect_args={"timeout": _SQLITE_WAIT_SECONDS},
            pool_size=_SQLITE_READERS,
            max_overflow=0,
            pool_timeout=_POOL_WAIT_SECONDS,
            pool_reset_on_return=None,
        )
        _prepare_sqlite(engine.sync_engine, "BEGIN", "PRAGMA query_only=ON")
        return engine
    # One round trip an answer: no transaction around a single statement, and no look whether a
    # connection still lives. After a restart of the server the first answers may be 503, which
    # makes all its old connections be thrown away.
    engine = create_async_engine(
        url,
        pool_size=_READERS,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
    )
    _on_connect(
        engine.sync_engine,
        "SET default_transaction_read_only = on",
        f"SET statement_timeout = {_STATEMENT_MS}",
    )
    return engine


def _make_folder(url: URL) -> None:
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"the database's folder {folder}: {error.strerror}") from None


def _prepare_sqlite(engine: Engine, begin: str, pragma: str) -> None:
    """Transactions begin when we say so: the driver's own way leaves DDL and reads outside.

    One that will write takes its lock at once, or a reader that became a writer could be refused.
    """
    _on_connect(engine, pragma, "PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401  # either driver's
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _on_connect(engine: Engine, *statements: str) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401  # any driver's
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        connection.commit()
