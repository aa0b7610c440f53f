"""Exactly-once Faust on librdkafka. Knows Faust and Kafka, nothing of checkouts.

librdkafka fetches, produces and is the group's member; Faust gives agents and tables. Everything
that an event does is in one Kafka transaction with its offset. See docs/runtime.md.

What is exported is imported when it is first asked for: a supervisor needs the exit codes, and not
the second that Faust takes to load.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.runtime.application import RuntimeApp, make_app, run
    from streams.runtime.context import OutsideEventError
    from streams.runtime.exits import ExitCode, die
    from streams.runtime.leaving import MembershipError, members, remove_member
    from streams.runtime.settings import RuntimeSettings

__all__ = [
    "ExitCode",
    "MembershipError",
    "OutsideEventError",
    "RuntimeApp",
    "RuntimeSettings",
    "die",
    "make_app",
    "members",
    "remove_member",
    "run",
]

_MODULES: Final = {
    "ExitCode": "exits",
    "MembershipError": "leaving",
    "OutsideEventError": "context",
    "RuntimeApp": "application",
    "RuntimeSettings": "settings",
    "die": "exits",
    "make_app": "application",
    "members": "leaving",
    "remove_member": "leaving",
    "run": "application",
}


def __getattr__(name: str) -> object:
    """An exported name, from its module.

    Raises:
        AttributeError: it is none.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
