"""Counts of checkouts by the hour, for the live page, made of the checkouts that are there."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from streams.adapters.database.activity import Activity
from streams.adapters.state import decode_knowledge
from streams.domain.contributions import contribution_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_AT_ONCE = 5_000
#: Of which partition the rows were is not known any more.
_PARTITION = -1
_READ = (
    "SELECT abandoned_checkout_id, knowledge FROM checkouts "
    "WHERE abandoned_checkout_id > :after ORDER BY abandoned_checkout_id LIMIT :most"
)


def _text() -> sa.Text:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "activity",
        sa.Column("instance_id", _text(), nullable=False, comment="empty: all sites together"),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False, comment="since 1970"),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("abandoned", sa.Integer(), nullable=False, comment="dated in the hour"),
        sa.Column("recovered", sa.Integer(), nullable=False, comment="of these, so far"),
        sa.Column("recoveries", sa.Integer(), nullable=False, comment="dated in the hour"),
        sa.PrimaryKeyConstraint("instance_id", "hour", "partition", name=op.f("pk_activity")),
        comment="Checkouts by the hour, without staff's. Follows from the table checkouts.",
    )
    op.create_index(op.f("ix_activity_hour"), "activity", ["hour"])
    op.create_table(
        "recovery_times",
        sa.Column("instance_id", _text(), nullable=False, comment="empty: all sites together"),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False, comment="since 1970"),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "bin", sa.Integer(), autoincrement=False, nullable=False, comment="see domain.histogram"
        ),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "instance_id", "hour", "partition", "bin", name=op.f("pk_recovery_times")
        ),
        comment="Time to recovery of the hour's recoveries. Follows from the table checkouts.",
    )
    op.create_index(op.f("ix_recovery_times_hour"), "recovery_times", ["hour"])
    op.create_table(
        "traffic",
        sa.Column("process", sa.String(length=36), nullable=False),
        sa.Column(
            "slot",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="5 seconds, since 1970",
        ),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("announced", sa.Integer(), nullable=False),
        sa.Column("delays", sa.Text(), nullable=False, comment="JSON: bin of milliseconds, count"),
        sa.PrimaryKeyConstraint("process", "slot", name=op.f("pk_traffic")),
        comment="What each process has taken in of late. Follows from nothing else.",
    )
    op.create_index(
        op.f("ix_announcements_partition_offset"), "announcements", ["partition", "offset"]
    )
    op.create_index(
        op.f("ix_checkouts_instance_id_recovered_at"), "checkouts", ["instance_id", "recovered_at"]
    )
    op.create_index(op.f("ix_checkouts_recovered_at"), "checkouts", ["recovered_at"])
    op.create_index(op.f("ix_sites_partition_offset"), "sites", ["partition", "offset"])
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    after = ""
    while True:
        rows = connection.execute(sa.text(_READ), {"after": after, "most": _AT_ONCE}).all()
        if not rows:
            return
        activity = Activity()
        for _, knowledge in rows:
            activity.count(
                contribution_of(decode_knowledge(bytes(knowledge))), partition=_PARTITION
            )
        cell = ("instance_id", "hour", "partition")
        _add(connection, "activity", cell, activity.hours())
        _add(connection, "recovery_times", (*cell, "bin"), activity.times())
        after = rows[-1][0]


def _add(
    connection: sa.Connection, table: str, keys: tuple[str, ...], rows: list[dict[str, Any]]
) -> None:
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in rows[0])
    values = ", ".join(f":{name}" for name in rows[0])
    added = ", ".join(
        f'"{name}" = {table}."{name}" + excluded."{name}"' for name in rows[0] if name not in keys
    )
    quoted = ", ".join(f'"{name}"' for name in keys)
    connection.execute(
        sa.text(
            f"INSERT INTO {table} ({names}) VALUES ({values}) "  # noqa: S608  # names of our own
            f"ON CONFLICT ({quoted}) DO UPDATE SET {added}"
        ),
        rows,
    )
