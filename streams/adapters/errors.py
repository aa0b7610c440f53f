"""Errors named for what the caller does next."""

from __future__ import annotations


class InvalidMessage(Exception):  # noqa: N818  # named for what is wrong with the record, as the field does
    """A record that can't be read: it goes to the dead-letter topic with this reason.

    ``reason`` is one of the codes of ``schemas.dead_letter``; it holds nothing of the record.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ClusterError(Exception):
    """Kafka can't be reached, or refuses; the message says why and what to do."""


class RegistryError(Exception):
    """The Schema Registry can't be reached, or refuses; the message says why and what to do."""


class DatabaseError(Exception):
    """The database can't be reached, refuses, or is not prepared; the message says what to do."""
