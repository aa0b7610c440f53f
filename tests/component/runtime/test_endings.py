"""What can't be kept ends the process, at once and with the code that says what to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from streams.runtime import ExitCode
from tests.component.runtime import endings
from tests.support.ending import ending

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("scenario", "code", "said"),
    [
        (endings.a_step_that_hangs, ExitCode.WATCHDOG, "flush took too long"),
        (endings.a_record_that_is_refused, ExitCode.PRODUCER_FAILED, "produce failed"),
        (endings.a_record_of_one_that_is_fenced, ExitCode.SLOT_CONFLICT, "produce failed"),
        (endings.a_waiting_record_that_is_no_record, ExitCode.PRODUCER_FAILED, "produce failed"),
        (endings.a_commit_that_is_fenced, ExitCode.SLOT_CONFLICT, "commit_transaction failed"),
        (
            endings.a_commit_that_has_to_be_aborted,
            ExitCode.PRODUCER_FAILED,
            "commit_transaction failed",
        ),
        (endings.a_commit_and_an_abort_that_fail, ExitCode.PRODUCER_FAILED, "abort_failed"),
        (
            endings.a_commit_that_fails_while_another_thread_aborts,
            ExitCode.MEMBERSHIP_LOST,
            "the other thread's reason",
        ),
        (endings.a_delivery_that_fails, ExitCode.PRODUCER_FAILED, "delivery failed"),
        (endings.a_delivery_that_is_fenced, ExitCode.SLOT_CONFLICT, "delivery failed"),
        (endings.a_producer_that_is_fenced, ExitCode.SLOT_CONFLICT, "failed for good"),
        (
            endings.a_producer_that_is_fenced_before_it_has_worked,
            ExitCode.PRODUCER_FAILED,
            "failed for good",
        ),
        (
            endings.a_producer_that_is_fenced_after_a_sleep,
            ExitCode.MEMBERSHIP_LOST,
            "failed for good",
        ),
        (endings.a_producer_that_fails_for_good, ExitCode.PRODUCER_FAILED, "failed for good"),
        (
            endings.an_agent_that_ends_inside_an_event,
            ExitCode.AGENT_FAILED,
            "an agent ended inside an event",
        ),
        (
            endings.an_agent_that_begins_again_inside_an_event,
            ExitCode.AGENT_FAILED,
            "an agent ended inside an event",
        ),
        (endings.an_agent_that_stops_with_the_application, ExitCode.OK, ""),
        (endings.an_event_that_outlasts_its_partition, ExitCode.EVENT_TOO_SLOW, "in progress"),
        (endings.an_offset_that_comes_twice, ExitCode.OFFSETS_OUT_OF_ORDER, "came twice"),
        (endings.an_agent_of_two_topics, ExitCode.STARTUP_CHECK_FAILED, "of one topic"),
        (endings.work_without_a_generation, ExitCode.NO_GENERATION, "no generation"),
        (endings.a_fatal_error_between_two_batches, ExitCode.SLOT_CONFLICT, "_FENCED"),
        (endings.a_fatal_error_in_the_flush, ExitCode.SLOT_CONFLICT, "_FENCED"),
        (endings.a_fetch_that_is_not_allowed, ExitCode.FETCH_FAILED, "TOPIC_AUTHORIZATION_FAILED"),
        (endings.a_fetch_whose_slot_was_taken, ExitCode.SLOT_CONFLICT, "FENCED_INSTANCE_ID"),
        (endings.a_subscription_that_changes, ExitCode.NOT_CO_ASSIGNED, "subscription changed"),
        (
            endings.a_consumer_with_a_setting_that_is_none,
            ExitCode.FETCH_FAILED,
            "the consumer failed for good",
        ),
        (endings.a_consumer_that_can_not_be_made, ExitCode.FETCH_FAILED, "thread failed"),
        (endings.a_companion_that_raises, ExitCode.AGENT_FAILED, "a companion"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_it_ends_with_its_own_code(
    scenario: Callable[[], None], code: ExitCode, said: str, tmp_path: Path
) -> None:
    end = ending(scenario, log=tmp_path / "log")
    assert (end.code, said in end.text) == (code, True), end.text


def test_it_can_be_stopped_before_there_is_a_broker(tmp_path: Path) -> None:
    started = time.monotonic()
    end = ending(endings.a_stop_before_there_is_a_broker, log=tmp_path / "log")
    assert end.code == ExitCode.OK, end.text
    assert time.monotonic() - started < 20
