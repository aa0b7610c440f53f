"""How the runtime ends when it can't keep its promises: at once, with a code that says what to do.

Invariant: nothing is committed after ``die``; a transaction that was open is aborted by it, by the
next process of the slot, or by the broker's transaction timeout.
"""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import NoReturn

import structlog

log = structlog.get_logger(__name__)


class ExitCode(IntEnum):
    """Exit codes. ``is_transient``: a restart at once is the cure."""

    OK = 0
    PRODUCER_FAILED = 70
    NO_GENERATION = 71
    OFFSETS_OUT_OF_ORDER = 72
    EVENT_TOO_SLOW = 73
    WATCHDOG = 74
    MEMBERSHIP_LOST = 75
    AGENT_FAILED = 76
    FETCH_FAILED = 77
    NOT_CO_ASSIGNED = 78
    RESTORE_FAILED = 79
    SLOT_CONFLICT = 80
    CHANGELOG_LOST = 81
    POISON_STORM = 82
    STARTUP_CHECK_FAILED = 83

    @property
    def is_transient(self) -> bool:
        """Whether a supervisor should restart the process at once."""
        return self in _TRANSIENT

    @property
    def meaning(self) -> str:
        """What happened, in plain words."""
        return _MEANINGS[self]


_TRANSIENT = frozenset(
    {
        ExitCode.PRODUCER_FAILED,
        ExitCode.NO_GENERATION,
        ExitCode.EVENT_TOO_SLOW,
        ExitCode.WATCHDOG,
        ExitCode.MEMBERSHIP_LOST,
        ExitCode.AGENT_FAILED,
        ExitCode.FETCH_FAILED,
        ExitCode.RESTORE_FAILED,
    }
)

_MEANINGS = {
    ExitCode.OK: "stopped as asked",
    ExitCode.PRODUCER_FAILED: "a produce or a transaction failed; nothing of it was committed",
    ExitCode.NO_GENERATION: "work was done without a group generation; it was not committed",
    ExitCode.OFFSETS_OUT_OF_ORDER: "source offsets came out of order: a defect, or a topic that "
    "was deleted and made again while we ran",
    ExitCode.EVENT_TOO_SLOW: "an event was still being processed when its partition had to go",
    ExitCode.WATCHDOG: "a step of the commit hung",
    ExitCode.MEMBERSHIP_LOST: "the group took our partitions away (a pause or an outage longer "
    "than the session timeout)",
    ExitCode.AGENT_FAILED: "an agent raised an exception; its event was not committed",
    ExitCode.FETCH_FAILED: "fetching failed for good",
    ExitCode.NOT_CO_ASSIGNED: "the source topics have different partition counts, or the "
    "members of the group different subscriptions",
    ExitCode.RESTORE_FAILED: "the state could not be restored from its changelogs",
    ExitCode.SLOT_CONFLICT: "another process has the same slot; this one gives way",
    ExitCode.CHANGELOG_LOST: "a changelog is shorter than what was committed with it",
    ExitCode.POISON_STORM: "too many records can't be read; none was skipped past the limit",
    ExitCode.STARTUP_CHECK_FAILED: "the installation can't be run as it is",
}


def die(code: ExitCode, reason: str, **fields: object) -> NoReturn:
    """End the process now, without clean-up: whatever is open must not be committed."""
    log.critical("exiting", code=int(code), exit=code.name, reason=reason, **fields)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
