"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How bad it is: a problem keeps a process from its work, a warning does not yet."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on one thing; ``mend`` says what to do, and is empty where nothing is."""

    check: str
    state: State
    what: str
    mend: str = ""


def ok(check: str, what: str) -> Finding:
    """Nothing to do."""
    return Finding(check, State.OK, what)


def warning(check: str, what: str, mend: str) -> Finding:
    """It works, but look at it."""
    return Finding(check, State.WARNING, what, mend)


def problem(check: str, what: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(check, State.PROBLEM, what, mend)
