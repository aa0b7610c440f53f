"""Tells a storm of unreadable records from single ones.

A few are dead-lettered and the stream goes on. When half of a thousand can't be read, it is the
worker that is wrong (a release, a setting, a topic of something else), and going on would drain
the topic into dead letters.
"""

from __future__ import annotations

from typing import Final

_RECORDS: Final = 1_000
_SHARE: Final = 0.5


class PoisonWatch:
    """Counts one agent's records, a thousand at a time."""

    def __init__(self) -> None:
        self._seen = 0
        self._unreadable = 0

    def is_storm(self, *, is_unreadable: bool) -> bool:
        """Count a record; True when at least half of the last thousand could not be read."""
        self._seen += 1
        self._unreadable += is_unreadable
        if self._seen < _RECORDS:
            return False
        is_storm = self._unreadable >= _SHARE * _RECORDS
        self._seen = self._unreadable = 0
        return is_storm
