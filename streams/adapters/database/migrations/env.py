"""Alembic runs this; the connection comes from ``schema.migrate``, which owns the transaction."""

from __future__ import annotations

from alembic import context

from streams.adapters.database.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
context.run_migrations()
