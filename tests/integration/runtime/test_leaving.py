"""A slot that does not come back is taken out of the group, and its partitions move at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams.runtime import ExitCode, MembershipError, RuntimeSettings, members, remove_member
from tests.support.services import wait_until

if TYPE_CHECKING:
    from tests.integration.runtime.running import Run

pytestmark = pytest.mark.kafka

LONG_MS = 120_000


def settings_of(running: Run, slot: str | None) -> RuntimeSettings:
    return RuntimeSettings(
        client={"bootstrap.servers": running.bootstrap_servers},
        group=f"{running.name}-group",
        slot=slot,
        session_timeout_ms=LONG_MS,
    )


def test_the_others_get_its_partitions_long_before_the_session_ends(running: Run) -> None:
    long = {"SESSION_MS": str(LONG_MS), "TRANSACTION_MS": str(LONG_MS)}
    running.start("a", **long)
    leaver = running.start("b", **long)
    wait_until(lambda: running.restores(leaver), 60, running.log.read_text)
    running.feed(500)
    running.wait()
    leaver.terminate()
    assert leaver.wait(10) == ExitCode.OK
    running.feed(500)
    assert set(members(settings_of(running, None))) == {"a", "b"}, "a restart moves nothing"
    assert running.lag() > 0

    remove_member(settings_of(running, "b"), [running.source])

    assert set(members(settings_of(running, None))) == {"a"}
    running.wait(30)
    running.check()


def test_a_slot_that_is_no_member_is_named_with_those_that_are(running: Run) -> None:
    running.start("a")
    running.feed(10)
    running.wait()
    with pytest.raises(MembershipError, match="slot 7 is no member; members with a slot: a"):
        remove_member(settings_of(running, "7"), [running.source])


def test_a_worker_without_a_slot_needs_no_removal(running: Run) -> None:
    with pytest.raises(MembershipError, match="only a worker with a slot"):
        remove_member(settings_of(running, None), [running.source])


def test_a_group_that_never_was_has_no_members(running: Run) -> None:
    assert members(settings_of(running, None)) == {}


def test_a_slot_that_can_not_be_taken_over_in_time_is_told(running: Run) -> None:
    running.start("a", SESSION_MS=str(LONG_MS))
    running.feed(10)
    running.wait()
    with pytest.raises(MembershipError, match="slot a could not be taken over in time"):
        remove_member(settings_of(running, "a"), [running.source], limit_seconds=0)
