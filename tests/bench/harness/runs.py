"""Runs in turns, and what they come to. A run that did the wrong thing gives no figure."""

from __future__ import annotations

import os
import statistics
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Above this share of the machine spent by others, a run is marked: its figure is too low.
LOADED: Final = 0.05


class WrongRunError(Exception):
    """The run did not do its job: something is missing, repeated, different or not committed."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run that was checked. ``others`` is the share of the machine that others took.

    ``value`` is in the benchmark's own unit, ``cpu_microseconds`` for each of what is counted.
    """

    value: float
    cpu_microseconds: float
    resident_megabytes: float
    others: float
    load_average: float = field(default_factory=lambda: os.getloadavg()[0])
    more: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """All runs of one contender; ``refused`` says why there is no figure, or is empty."""

    name: str
    note: str
    runs: list[Run] = field(default_factory=list)
    refused: str = ""

    @property
    def median(self) -> float:
        return statistics.median(run.value for run in self.runs)

    @property
    def low(self) -> float:
        return min(run.value for run in self.runs)

    @property
    def high(self) -> float:
        return max(run.value for run in self.runs)

    @property
    def cpu_microseconds(self) -> float:
        return statistics.median(run.cpu_microseconds for run in self.runs)

    @property
    def resident_megabytes(self) -> float:
        return max(run.resident_megabytes for run in self.runs)

    @property
    def is_loaded(self) -> bool:
        """Whether others worked on the machine during some run."""
        return any(run.others > LOADED for run in self.runs)

    def more(self, name: str) -> float:
        """The median of a further figure."""
        return statistics.median(run.more[name] for run in self.runs)


@dataclass(frozen=True, slots=True)
class Contender:
    """Who takes part: ``run`` does one run and checks it.

    ``run`` raises WrongRunError if the job was not done.
    """

    name: str
    note: str
    run: Callable[[], Run]


def in_turns(contenders: Sequence[Contender], repeats: int) -> list[Result]:
    """Each contender once, then each again: a machine that slows down slows all of them.

    Who fails its check once has no figure at all, and is not run again.
    """
    results = [Result(contender.name, contender.note) for contender in contenders]
    for turn in range(1, repeats + 1):
        for contender, result in zip(contenders, results, strict=True):
            if result.refused:
                continue
            try:
                run = contender.run()
            except WrongRunError as wrong:
                result.refused = str(wrong)
                result.runs.clear()
                sys.stderr.write(f"{contender.name}: refused: {wrong}\n")
                continue
            result.runs.append(run)
            loaded = f"   others had {run.others:.0%}" if run.others > LOADED else ""
            sys.stderr.write(
                f"{turn}/{repeats} {contender.name}: {run.value:,.0f}   "
                f"{run.cpu_microseconds:.1f} µs   {run.resident_megabytes:.0f} MB{loaded}\n"
            )
    return results
