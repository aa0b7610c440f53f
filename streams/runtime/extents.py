"""What is committed beside a source position: how far the changelogs reached, and a rebuild's end.

Invariant: it stands in the metadata of the group's offsets, so it is in the same transaction as
the records that it speaks of. Ends are lower bounds (control records and aborted ones come on top),
and a log never gets shorter by compaction: an end below its bound, or a start beyond the remembered
one, means that records are gone.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Topic and partition number.
Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Note:
    """The metadata of one source position. Topics are changelogs, of the position's partition.

    Attributes:
        ends: least end offset of each changelog.
        starts: first offset of each changelog.
        until: a rebuild is under way; below this offset nothing is announced. None: there is none.
        owner: transactional id of who committed it; empty: not known.
    """

    ends: Mapping[str, int] = field(default_factory=dict)
    starts: Mapping[str, int] = field(default_factory=dict)
    until: int | None = None
    owner: str = ""

    def encode(self) -> str:
        """As Kafka keeps it."""
        whole = {
            "ends": dict(self.ends),
            "starts": dict(self.starts),
            "until": self.until,
            "owner": self.owner,
        }
        return json.dumps(whole, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str | None) -> Note:
        """Read it; what no runtime of ours wrote says nothing."""
        try:
            whole = json.loads(text or "{}")
            ends, starts, until = whole.get("ends", {}), whole.get("starts", {}), whole.get("until")
            return cls(
                {str(name): int(offset) for name, offset in ends.items()},
                {str(name): int(offset) for name, offset in starts.items()},
                None if until is None else int(until),
                str(whole.get("owner", "")),
            )
        except (ValueError, TypeError, AttributeError):
            return cls()


class Extents:
    """How far the assigned changelogs reach, followed from the restore on."""

    def __init__(self) -> None:
        self._starts: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        #: Records handed to the producer since the restore, by topic and partition.
        self.written: Counter[Partition] = Counter()

    def restored(self, starts: Mapping[Partition, int], ends: Mapping[Partition, int]) -> None:
        """Begin anew with what a restore found."""
        self._starts, self._ends = dict(starts), dict(ends)
        self.written.clear()

    def end(self, topic: str, number: int) -> int:
        """A bound of the log's end: what others write after us lies at it or beyond."""
        return self._ends[topic, number] + self.written[topic, number]

    def note(self, number: int, until: int | None, owner: str) -> str:
        """The metadata of a position of partition ``number``, as things stand now."""
        mine = [partition for partition in self._ends if partition[1] == number]
        return Note(
            ends={topic: self._ends[topic, n] + self.written[topic, n] for topic, n in mine},
            starts={topic: self._starts[topic, n] for topic, n in mine},
            until=until,
            owner=owner,
        ).encode()


def lost_changelogs(
    notes: Mapping[Partition, Note],
    starts: Mapping[Partition, int],
    ends: Mapping[Partition, int],
) -> dict[Partition, str]:
    """The changelogs that hold less than was committed with them, and how that shows.

    ``notes`` are of the source partitions; ``starts`` and ``ends`` are the changelogs' own, now.
    """
    lost: dict[Partition, str] = {}
    for (_, number), note in notes.items():
        for topic, least in note.ends.items():
            end = ends.get((topic, number))
            if end is not None and end < least:
                lost[topic, number] = f"it ends at {end}; {least} was committed"
        for topic, first in note.starts.items():
            start = starts.get((topic, number))
            if start is not None and start > first:
                lost[topic, number] = f"it begins at {start}; it began at {first}"
    return lost
