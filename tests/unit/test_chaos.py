"""The breaker's schedule is the seed's, and its judge tells loss from repeats and from errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from streams.demo.simulator.platform import Options, Platform, past
from tests.chaos.judge import CHECKOUTS, Tables, Verdict, _judge_checkouts
from tests.chaos.long import Task, rows
from tests.chaos.measure import java_hash
from tests.chaos.schedule import COMMIT_POINTS, RESTORE_POINTS, Fault, plan
from tests.support.whole import Whole

if TYPE_CHECKING:
    from streams.demo.audit.log import LogRecord

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_seed_decides_every_fault() -> None:
    assert plan(7, seconds=120, brokers=1) == plan(7, seconds=120, brokers=1)
    assert plan(7, seconds=120, brokers=1) != plan(8, seconds=120, brokers=1)


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_strikes_before_one_strikes_again(seed: int) -> None:
    faults = [step.fault for step in plan(seed, seconds=600, brokers=3)]
    assert set(faults[: len(Fault)]) == set(Fault)


def test_one_broker_has_no_rolling_restart() -> None:
    assert Fault.ROLL_BROKERS not in {step.fault for step in plan(1, seconds=600, brokers=1)}


def test_points_are_named_where_a_process_is_hit_at_one() -> None:
    for step in plan(3, seconds=1200, brokers=1):
        if step.fault in {Fault.KILL_IN_COMMIT, Fault.STOP_IN_COMMIT}:
            assert step.point in COMMIT_POINTS
        elif step.fault in {Fault.KILL_IN_RESTORE, Fault.STOP_IN_RESTORE}:
            assert step.point in RESTORE_POINTS
        else:
            assert step.point == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("checkout.abandoned x of checkout y was not published", "lost"),
        ("the webhook x was answered 200 with p, where the log has nothing", "lost"),
        ("the fact f was published 0 times", "lost"),
        ("the fact f was published 2 times", "repeated"),
        ("checkout.recovered x was published more often than it should be", "repeated"),
        ("rates of s at t: windows.0.flow is 1, should be 2", "wrong"),
    ],
)
def test_differences_are_told_apart(text: str, kind: str) -> None:
    verdict = Verdict()
    verdict.differ(text)
    assert {name for name in ("lost", "repeated", "wrong") if getattr(verdict, name)} == {kind}
    assert not verdict.is_right


def test_kafka_finds_a_coordinator_by_javas_hash() -> None:
    assert java_hash("a") == 97
    assert java_hash("hello") == 99162322
    assert java_hash("polygenelubricants") == 0  # the hash of it is the least integer


def test_a_result_counts_for_its_own_run_and_only_if_it_is_right() -> None:
    result = json.loads(
        '{"seed": 1, "minutes": 2.0, "brokers": 1, "lost": 0, "repeated": 0, "wrong": 0, "hung": 0,'
        ' "struck": {"kill": 3}, "counts": {"webhooks answered 200": 9}, "exits": {"WATCHDOG": 1},'
        ' "caught_up_seconds": 1.5}'
    )
    assert Task(1, 2.0, 1).is_done_by(result)
    assert not Task(1, 2.0, 3).is_done_by(result)
    assert not Task(1, 2.0, 1).is_done_by({**result, "hung": 1})
    assert rows([result])[2] == "| 1 | 1 | 2 | 3 | 9 | WATCHDOG 1 | 1.5 s | 0 | 0 | 0 | 0 |"


@pytest.fixture(scope="module")
def played() -> tuple[list[LogRecord], Tables]:
    """The source log of some shops, and the table of checkouts that the worker makes of it."""
    whole, now = Whole(Random(1)), START
    shops = Platform(Options(seed=1, sites=3, disorder_share=0.3), START)
    for sending in shops.sendings(past(Random(1), START, days=5, count=60)):
        now = sending.at + timedelta(milliseconds=400)
        whole.post(sending, received_at=now)
    tables = {(CHECKOUTS, number): dict(t) for number, t in whole.checkouts.items()}
    return list(whole.finish(now).source), tables


def test_the_right_state_is_accepted(played: tuple[list[LogRecord], Tables]) -> None:
    verdict = Verdict()
    _judge_checkouts(played[0], played[1], verdict)
    assert verdict.is_right, verdict.differences
    assert verdict.counts["checkouts in the table"] >= 60


def test_a_state_that_is_missing_is_lost(played: tuple[list[LogRecord], Tables]) -> None:
    tables = {place: dict(table) for place, table in played[1].items()}
    max(tables.values(), key=len).popitem()
    verdict = Verdict()
    _judge_checkouts(played[0], tables, verdict)
    assert (verdict.lost, verdict.wrong) == (1, 0)


def test_an_older_state_is_wrong(played: tuple[list[LogRecord], Tables]) -> None:
    """As a worker leaves it that was paused, woke up and wrote what it had."""
    tables = {place: dict(table) for place, table in played[1].items()}
    some = max(tables.values(), key=len)
    first, second = list(some)[:2]
    some[first] = some[second]
    verdict = Verdict()
    _judge_checkouts(played[0], tables, verdict)
    assert (verdict.lost, verdict.wrong) == (0, 1)
