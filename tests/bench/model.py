"""Measures how fast the read model is filled, against a bare loop that writes the same rows.

    python -m tests.bench.model [--rows 100000]

Both write a thousand rows to a transaction into tables with the same indexes of one PostgreSQL: the
model from records of the source topic, the loop with COPY and INSERT … ON CONFLICT from what the
model has written. One process, one connection each.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.topics import SOURCE
from streams.api.metrics import ApiMetrics
from streams.api.model import Model, Place
from tests.support.builders import entity
from tests.support.databases import postgresql
from tests.support.records import source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from streams.api.model import Record

_BATCH: Final = 1_000
_KEYS: Final = {"checkouts": ("abandoned_checkout_id",), "received_events": ("partition", "offset")}
_PROMISE: Final = 0.5


def main() -> int:
    """Run it; 1 if the model writes less than half of the rows of the loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    gc.set_threshold(50_000)  # as the process does
    with postgresql() as server:
        url = server.new_database()
        engine = writing_engine(url)
        migrate(engine)
        ours = rows / fill(engine, rows)
        bare = rows / fill_bare(url, rows)
        engine.dispose()
    ratio = ours / bare
    print(f"model {ours:.0f} rows/s   bare {bare:.0f} rows/s   ratio {ratio:.2f}")  # noqa: T201  # its output
    return 0 if ratio >= _PROMISE else 1


def fill(engine: Engine, rows: int) -> float:
    """Seconds that the model took; making the records is not counted."""
    place = Place(SOURCE, 0)
    model = Model(engine, ApiMetrics())
    model.begin([place])
    seconds = 0.0
    for start in range(0, rows, _BATCH):
        batch = list(records(start, min(start + _BATCH, rows)))
        begun = time.perf_counter()
        model.apply(batch)
        seconds += time.perf_counter() - begun
    return seconds


def records(first: int, after: int) -> Iterator[Record]:
    """Checkouts created, about 2 kB each."""
    for number in range(first, after):
        checkout = str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))
        reference = {"catalogItemId": checkout, "appId": checkout}
        items = [
            {**entity()["lineItems"][0], "id": f"l-{n}", "catalogReference": reference}
            for n in range(6 + number % 4)
        ]
        body = entity(id=checkout, lineItems=items)
        yield source(number, "created", body, checkout=checkout, minutes=number / 60)


def fill_bare(url: str, rows: int) -> float:
    """Seconds that the loop took to write the same rows into the emptied tables."""
    seconds = 0.0
    with psycopg.connect(url) as source_connection, psycopg.connect(url) as connection:
        for table in _KEYS:
            connection.execute(
                sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                    sql.Identifier(f"bare_{table}"), sql.Identifier(table)
                )
            )
            connection.execute(
                sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DELETE ROWS").format(
                    sql.Identifier(f"in_{table}"), sql.Identifier(table)
                )
            )
        connection.commit()
        readers = {}
        for table in _KEYS:
            readers[table] = source_connection.cursor(name=table)
            readers[table].execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
        for _ in range(0, rows, _BATCH):
            batch = {table: reader.fetchmany(_BATCH) for table, reader in readers.items()}
            begun = time.perf_counter()
            for table, lines in batch.items():
                write(connection, table, lines)
            connection.commit()
            seconds += time.perf_counter() - begun
    return seconds


def write(connection: psycopg.Connection[Any], table: str, lines: list[tuple[Any, ...]]) -> None:
    """COPY into a temporary table, and from there into the table."""
    target, incoming = sql.Identifier(f"bare_{table}"), sql.Identifier(f"in_{table}")
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} FROM STDIN").format(incoming)) as copy,
    ):
        for line in lines:
            copy.write_row(line)
    found = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(incoming)).description
    changed = [column.name for column in found or () if column.name not in _KEYS[table]]
    connection.execute(
        sql.SQL("INSERT INTO {} SELECT * FROM {} ON CONFLICT ({}) DO UPDATE SET {}").format(
            target,
            incoming,
            sql.SQL(", ").join(map(sql.Identifier, _KEYS[table])),
            sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in changed
            ),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
