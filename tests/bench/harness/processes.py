"""Processes under measurement: on which core they run, what CPU and memory they take."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS: Final = os.sysconf("SC_CLK_TCK")
#: As the harness was started; later it binds itself to one of them.
_CORES: Final = sorted(os.sched_getaffinity(0))


def cores() -> tuple[int, int]:
    """The contender's core, and that of everything else; the same one if there is but one."""
    return _CORES[0], _CORES[-1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What starts inside runs on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    return 0


def child_of(pid: int) -> int:
    """The one child of a process: a worker's supervisor has one."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def machine_seconds() -> float:
    """CPU time that the whole machine has spent on work; 0 where it can't be known."""
    with suppress(OSError, ValueError, IndexError):
        line = Path("/proc/stat").read_text().splitlines()[0].split()
        user, nice, system, _idle, _wait, irq, soft, steal = map(int, line[1:9])
        return (user + nice + system + irq + soft + steal) / _TICKS
    return 0.0


@dataclass(frozen=True, slots=True)
class Meter:
    """CPU time so far: of the contender, of the others that belong to the run, of the machine."""

    contender: float
    beside: float
    machine: float

    @classmethod
    def read(cls, contenders: list[int], beside: list[int]) -> Self:
        """Of these processes, and of this one, which belongs to the run as well."""
        own = sum(os.times()[:4])
        return cls(
            sum(map(cpu_seconds, contenders)),
            own + sum(map(cpu_seconds, beside)),
            machine_seconds(),
        )

    def others_since(self, before: Self) -> float:
        """CPU seconds that processes spent which have nothing to do with the run."""
        ours = self.contender - before.contender + self.beside - before.beside
        return max(0.0, self.machine - before.machine - ours)
