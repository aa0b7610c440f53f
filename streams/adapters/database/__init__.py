"""The relational database of the read model: SQLite by default, PostgreSQL in production."""
