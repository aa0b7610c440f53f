"""The result of an audit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MOST_DIFFERENCES: Final = 50


@dataclass(slots=True)
class AuditReport:
    """What was compared, and every difference in plain words (the first ``most``).

    Attributes:
        counts: what was looked at, for people.
        differences: one sentence each; none of them holds personal data.
        more: differences beyond ``most``, which are counted only.
    """

    counts: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    more: int = 0
    most: int = MOST_DIFFERENCES

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def differ(self, text: str) -> None:
        """Note a difference."""
        if len(self.differences) < self.most:
            self.differences.append(text)
        else:
            self.more += 1

    def add(self, other: AuditReport) -> None:
        """Take in what another one found."""
        self.counts.update(other.counts)
        for text in other.differences:
            self.differ(text)
        self.more += other.more

    def rows(self) -> list[tuple[str, str]]:
        """What a table of the result shows: what was looked at, and how many there were."""
        rows = [(name, f"{count:,}") for name, count in self.counts.items()]
        return [*rows, ("differences", f"{len(self.differences) + self.more:,}")]
