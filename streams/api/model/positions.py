"""How far the tables are in the topics.

Invariant: a position only ever moves in one transaction with the rows that it speaks for, and only
from where its mover believes it to be: one that was paused while another process took over finds it
elsewhere, and writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from streams.adapters.database.columns import NO_INSTANT
from streams.adapters.database.tables import POSITIONS
from streams.api.model.records import Place
from streams.api.model.upserts import insert_new

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


class PositionMovedError(Exception):
    """Another process has moved the position of a partition: begin again from where it is."""

    def __init__(self, place: Place) -> None:
        super().__init__(f"the position of {place.topic}-{place.partition} was moved by another")
        self.place = place


def read_positions(connection: Connection) -> dict[Place, int]:
    """The offset that comes next, of every partition that was ever read."""
    columns = POSITIONS.c
    rows = connection.execute(select(columns.topic, columns.partition, columns.next_offset))
    return {Place(row.topic, row.partition): row.next_offset for row in rows}


def begin_positions(connection: Connection, places: Iterable[Place]) -> None:
    """Partitions that were never read begin at their beginning."""
    insert_new(connection, POSITIONS, [_beginning(place) for place in places])


def reset_positions(connection: Connection) -> None:
    """All partitions begin again; what is in the tables stays until it is written anew."""
    connection.execute(update(POSITIONS).values(next_offset=0, as_of=NO_INSTANT))


def move_position(
    connection: Connection, place: Place, *, expected: int, next_offset: int, as_of: int
) -> None:
    """Move a position. Holds its row until the transaction ends, so that no other can.

    Raises:
        PositionMovedError: it is not where it was expected.
    """
    columns = POSITIONS.c
    moved = connection.execute(
        update(POSITIONS)
        .where(
            columns.topic == place.topic,
            columns.partition == place.partition,
            columns.next_offset == expected,
        )
        .values(next_offset=next_offset, as_of=as_of)
    )
    if moved.rowcount != 1:
        raise PositionMovedError(place)


def _beginning(place: Place) -> dict[str, Any]:
    return {
        "topic": place.topic,
        "partition": place.partition,
        "next_offset": 0,
        "as_of": NO_INSTANT,
    }
