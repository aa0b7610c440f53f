"""Exactly-once Faust on librdkafka. Knows Faust and Kafka, nothing of checkouts.

librdkafka fetches, produces and is the group's member; Faust gives agents and tables. Everything
that an event does is in one Kafka transaction with its offset. See docs/runtime.md.
"""

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
