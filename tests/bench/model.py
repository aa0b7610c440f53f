"""Measures how fast the read model is filled, against a bare loop that writes the same rows.

    python -m tests.bench.model [--rows 1000000] [--at-once 50000]

Both write a thousand rows to a transaction into tables with the same indexes of one PostgreSQL: the
model from records of the source topic, the loop with COPY and INSERT … ON CONFLICT from what the
model has written. One process, one connection each, by turns: the machine's other work changes.
"""

from __future__ import annotations

import argparse
import gc
import os
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
from tests.bench.spread import Spread
from tests.support.builders import entity
from tests.support.databases import postgresql
from tests.support.records import source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.api.model import Record

_BATCH: Final = 1_000
_KEYS: Final = {"checkouts": ("abandoned_checkout_id",), "received_events": ("partition", "offset")}
#: What the model has written of some records.
_SAME: Final = {
    "received_events": """
        SELECT * FROM received_events
        WHERE "partition" = 0 AND "offset" >= %s AND "offset" < %s
    """,
    "checkouts": """
        SELECT checkouts.* FROM checkouts JOIN received_events USING (abandoned_checkout_id)
        WHERE "partition" = 0 AND "offset" >= %s AND "offset" < %s
    """,
}
_PLACE: Final = Place(SOURCE, 0)
_PROMISE: Final = 0.5


def main() -> int:
    """Run it; 1 if the model writes less than half of the rows of the loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--at-once", type=int, default=50_000)
    arguments = parser.parse_args()
    gc.set_threshold(50_000)  # as the process does
    with postgresql() as server:
        shares = [(ours, bare) for ours, bare in measure(server.new_database(), arguments)]
    seconds_of_ours, seconds_of_bare = (sum(times) for times in zip(*shares, strict=True))
    ratio = seconds_of_bare / seconds_of_ours
    print(  # noqa: T201  # its output
        f"model {arguments.rows / seconds_of_ours:.0f} rows/s   "
        f"bare {arguments.rows / seconds_of_bare:.0f} rows/s   ratio {ratio:.2f}, "
        f"of each share {Spread([bare / ours for ours, bare in shares])}"
    )
    return 0 if ratio >= _PROMISE else 1


def measure(url: str, arguments: argparse.Namespace) -> Iterator[tuple[float, float]]:
    """Seconds of each, share by share: the model writes one, then the loop the same rows."""
    engine = writing_engine(url)
    migrate(engine)
    model = Model(engine, ApiMetrics())
    model.begin([_PLACE])
    with psycopg.connect(url) as reading, psycopg.connect(url) as writing:
        make_tables(writing)
        for first in range(0, arguments.rows, arguments.at_once):
            after = min(first + arguments.at_once, arguments.rows)
            ours, bare = fill(model, first, after), fill_bare(reading, writing, first, after)
            print(  # noqa: T201  # its output
                f"{after} rows   model {(after - first) / ours:.0f} rows/s   bare "
                f"{(after - first) / bare:.0f} rows/s   ratio {bare / ours:.2f}   load "
                f"{os.getloadavg()[0]:.1f}",
                flush=True,
            )
            yield ours, bare
    engine.dispose()


def fill(model: Model, first: int, after: int) -> float:
    """Seconds that the model took; making the records is not counted."""
    seconds = 0.0
    for start in range(first, after, _BATCH):
        batch = list(records(start, min(start + _BATCH, after)))
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


def make_tables(connection: psycopg.Connection[Any]) -> None:
    """The loop's tables: as the model's, with the same indexes, and one for what comes in."""
    for table in _KEYS:
        known = sql.Identifier(table)
        bare, incoming = sql.Identifier(f"bare_{table}"), sql.Identifier(f"in_{table}")
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(bare, known))
        connection.execute(
            sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DELETE ROWS").format(incoming, known)
        )
    connection.commit()


def fill_bare(
    reading: psycopg.Connection[Any], writing: psycopg.Connection[Any], first: int, after: int
) -> float:
    """Seconds that the loop took to write the same rows; to read them is not counted."""
    seconds = 0.0
    for start in range(first, after, _BATCH):
        offsets = (start, min(start + _BATCH, after))
        batch = {table: reading.execute(_SAME[table], offsets).fetchall() for table in _KEYS}
        reading.commit()
        begun = time.perf_counter()
        for table, lines in batch.items():
            write(writing, table, lines)
        writing.commit()
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
