"""Notices that partitions have moved, by what the group was at two looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from streams.api.operations.cluster import Group

_STABLE: Final = "stable"
_NEVER: Final = "none since this process looks"


class Rebalance(NamedTuple):
    """When something had moved, and what."""

    at: datetime | None
    what: str


class Rebalances:
    """Remembers the last one."""

    def __init__(self) -> None:
        self._known: Group | None = None
        self.last = Rebalance(None, _NEVER)

    def look(self, group: Group, *, now: datetime) -> None:
        """See what has changed. While one is under way nobody has partitions, and it is awaited."""
        if group.state != _STABLE and group.members:
            self.last = Rebalance(now, "partitions are being given out")
            return
        before, self._known = self._known, group
        if before is None or before.members == group.members:
            return
        joined = {one.name for one in group.members} - {one.name for one in before.members}
        left = {one.name for one in before.members} - {one.name for one in group.members}
        parts = [
            *(f"{name} joined" for name in sorted(joined)),
            *(f"{name} left" for name in sorted(left)),
        ]
        self.last = Rebalance(now, ", ".join(parts) or "partitions moved between workers")
