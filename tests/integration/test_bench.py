"""The benchmarks' harness gives figures of a job, and none of one that was done wrongly."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from streams.config import load_settings
from tests.bench.contest import Arena, Peer
from tests.bench.harness.report import Report
from tests.bench.harness.runs import Contender, Result, Run, in_turns
from tests.bench.roster import BARE, OURS

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = 1_500
REPORT = Report(name="trial", title="A trial", unit="events/s", each="event", about=("About it.",))


@pytest.fixture(scope="module")
def arena(bootstrap_servers: str) -> Arena:
    settings = load_settings(bootstrap_servers=bootstrap_servers)
    return Arena(settings, [], events=EVENTS, partitions=2, warm_share=0)


def contender(arena: Arena, peer: Peer) -> Contender:
    return Contender(peer.name, peer.note, partial(arena.run, peer, limit_seconds=90))


@pytest.mark.kafka
def test_contenders_who_do_the_same_job_get_their_figures(arena: Arena, tmp_path: Path) -> None:
    results = in_turns([contender(arena, OURS), contender(arena, BARE)], 1)
    assert [result.refused for result in results] == ["", ""]
    assert all(run.value > 0 and run.cpu_microseconds > 0 for r in results for run in r.runs)
    text = REPORT.write(results, tmp_path).read_text("utf-8")
    assert OURS.name in text
    assert BARE.name in text
    written = json.loads((tmp_path / "trial.json").read_text("utf-8"))
    assert written["machine"]["cores"] > 0
    assert [len(result["runs"]) for result in written["results"]] == [1, 1]
    assert BARE.name in (tmp_path / "trial.svg").read_text("utf-8")


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("forgets", "announcements: 1 of"),
        ("repeats", "announced twice"),
        ("miscounts", "states"),
        ("ends", "it ended: exit 1"),
    ],
)
def test_a_contender_who_does_it_wrongly_gets_none(arena: Arena, how: str, said: str) -> None:
    command = [sys.executable, "-m", "tests.support.wrong_contender", how]
    wrong = Peer(f"who {how}", "exactly once", lambda _folder: command)
    [result] = in_turns([contender(arena, wrong)], 2)
    assert said in result.refused
    assert not result.runs
    table = "\n".join(REPORT.table([result]))
    assert "No figure" in table
    assert said in table


def test_the_table_compares_with_the_first_and_marks_who_was_disturbed() -> None:
    def run(value: float, others: float = 0.0) -> Run:
        return Run(value=value, cpu_microseconds=10, resident_megabytes=50, others=others)

    ours, theirs = Result("ours", "", [run(90), run(110), run(100)]), Result("theirs", "")
    theirs.runs += [run(50), run(40, others=0.2)]
    lines = REPORT.table([ours, theirs])
    assert "90.0 / **100** / 110" in lines[2]
    assert "2.22 x" in lines[3]
    assert "**loaded**" in lines[3]
    assert "**loaded**" not in lines[2]
