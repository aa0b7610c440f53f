"""Which faults strike when. Pure: the seed decides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final


class Fault(Enum):
    """What can happen to an installation; the value is what people read."""

    KILL_WORKER = "kill -9 of a worker"
    KILL_SUPERVISOR = "kill -9 of a worker's supervisor"
    RESTART_WORKER = "SIGTERM and restart of a worker"
    ROLL_WORKERS = "rolling restart of the workers"
    PAUSE_WORKER = "a worker stopped for longer than the session"
    HICCUP = "a worker stopped for less than the session"
    JOIN_AND_LEAVE = "a worker without a slot joins and leaves"
    REBALANCE_STORM = "a worker joins or leaves every 2 s"
    TWIN = "two processes on one slot"
    KILL_IN_COMMIT = "kill -9 at a point inside the commit"
    STOP_IN_COMMIT = "stopped inside the commit until its partitions have moved"
    KILL_IN_RESTORE = "kill -9 at a point inside the restore"
    STOP_IN_RESTORE = "stopped inside the restore until its partitions have moved"
    SLOW_NETWORK = "200 ms between workers and brokers"
    CUT_CONNECTIONS = "every connection of the workers is reset, again and again"
    KILL_BROKER = "kill -9 of a broker"
    FREEZE_BROKER = "a broker stopped for a while"
    FULL_DISK = "a broker that may not write any more"
    ROLL_BROKERS = "rolling restart of the brokers"

    @property
    def needs_three(self) -> bool:
        """Whether it makes sense on a cluster only."""
        return self is Fault.ROLL_BROKERS


#: Shortest and longest, in seconds, of the faults that last.
_LASTS: Final = {
    Fault.PAUSE_WORKER: (12.0, 18.0),
    Fault.HICCUP: (1.0, 6.0),
    Fault.JOIN_AND_LEAVE: (3.0, 8.0),
    Fault.REBALANCE_STORM: (8.0, 14.0),
    Fault.TWIN: (4.0, 10.0),
    Fault.STOP_IN_COMMIT: (12.0, 16.0),
    Fault.STOP_IN_RESTORE: (12.0, 16.0),
    Fault.SLOW_NETWORK: (4.0, 10.0),
    Fault.CUT_CONNECTIONS: (3.0, 8.0),
    Fault.KILL_BROKER: (0.5, 10.0),
    Fault.FREEZE_BROKER: (2.0, 14.0),
    Fault.FULL_DISK: (1.0, 4.0),
}
_FIRST_SECONDS: Final = 4.0
_GAP_SECONDS: Final = (1.0, 9.0)
COMMIT_POINTS: Final = ("before_flush", "after_flush", "before_commit", "after_commit")
RESTORE_POINTS: Final = ("restore_begins", "restore_reads", "restore_ends")


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: when it begins, whom it hits, how long it lasts (seconds).

    ``target`` is taken modulo the number of workers or brokers. ``point`` is where a process is
    hit, empty where that says nothing.
    """

    at: float
    fault: Fault
    target: int
    seconds: float
    point: str = ""


def plan(seed: int, *, seconds: float, brokers: int) -> list[Step]:
    """The faults of a run, in order; every kind comes before one comes again."""
    random = Random(f"chaos/{seed}/{brokers}")
    steps: list[Step] = []
    waiting: list[Fault] = []
    at = _FIRST_SECONDS
    while at < seconds:
        if not waiting:
            waiting = [fault for fault in Fault if brokers > 1 or not fault.needs_three]
            random.shuffle(waiting)
        fault = waiting.pop()
        points = (
            COMMIT_POINTS
            if fault in {Fault.KILL_IN_COMMIT, Fault.STOP_IN_COMMIT}
            else RESTORE_POINTS
            if fault in {Fault.KILL_IN_RESTORE, Fault.STOP_IN_RESTORE}
            else ("",)
        )
        steps.append(
            Step(
                round(at, 1),
                fault,
                random.randrange(12),
                round(random.uniform(*_LASTS.get(fault, (0.0, 0.0))), 1),
                random.choice(points),
            )
        )
        at += random.uniform(*_GAP_SECONDS)
    return steps
