"""Parts of the page's server side by themselves: spans, kept answers, rebalances, traffic."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from streams.api.operations.cluster import Group, Member
from streams.api.operations.rebalances import Rebalances
from streams.api.overview.kept import Kept
from streams.api.overview.windows import span_of
from streams.api.page import read_files
from streams.config import load_settings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PLACES = tuple(("source", number) for number in range(4))


@pytest.mark.parametrize(
    ("window", "hours"), [("1h", 1), ("24h", 1), ("7d", 1), ("30d", 6), ("90d", 24), ("400d", 168)]
)
def test_a_chart_has_whole_hours_and_no_more_points_than_can_be_seen(
    window: str, hours: int
) -> None:
    settings = load_settings(windows="1h,24h,7d,30d,90d,400d")
    span = span_of(settings, window)
    assert span.bucket == timedelta(hours=hours)
    assert span.length / span.bucket <= 170


async def test_who_asks_for_the_same_meanwhile_waits_for_one_computation() -> None:
    kept, computed = Kept(), 0

    async def compute() -> bytes:
        nonlocal computed
        computed += 1
        await asyncio.sleep(0.01)
        return b"%d" % computed

    asked = [kept.get("a", compute, seconds=60) for _ in range(20)]
    assert set(await asyncio.gather(*asked)) == {b"1"}
    assert await kept.get("a", compute, seconds=60) == b"1"
    assert await kept.get("b", compute, seconds=60) == b"2"


async def test_what_takes_long_is_kept_longer_than_was_asked() -> None:
    kept, computed = Kept(times_its_cost=20), 0

    async def compute() -> bytes:
        nonlocal computed
        computed += 1
        await asyncio.sleep(0.2)
        return b"%d" % computed

    assert await kept.get("a", compute, seconds=0) == b"1"
    assert await kept.get("a", compute, seconds=0) == b"1"


async def test_who_gives_up_takes_the_answer_from_nobody_and_failures_are_not_kept() -> None:
    kept, may_go_on = Kept(), asyncio.Event()
    is_broken = True

    async def compute() -> bytes:
        await may_go_on.wait()
        if is_broken:
            raise OSError
        return b"x"

    gone = asyncio.create_task(kept.get("a", compute, seconds=60))
    waiting = asyncio.create_task(kept.get("a", compute, seconds=60))
    await asyncio.sleep(0)
    gone.cancel()
    may_go_on.set()
    with pytest.raises(OSError):  # noqa: PT011  # it has no words
        await waiting
    is_broken = False
    assert await kept.get("a", compute, seconds=60) == b"x"


def group(*members: tuple[str, tuple[tuple[str, int], ...]], state: str = "stable") -> Group:
    return Group(state, tuple(Member(name, "host", places) for name, places in members))


def seen(rebalances: Rebalances) -> tuple[datetime | None, str]:
    """The last one; a function, for a type checker believes what it was."""
    return rebalances.last


def test_a_rebalance_is_noticed_with_who_came_and_who_went() -> None:
    rebalances = Rebalances()
    rebalances.look(group(("slot 0", PLACES)), now=NOW)
    rebalances.look(group(("slot 0", PLACES)), now=NOW)
    assert seen(rebalances)[0] is None
    rebalances.look(group(("slot 0", ()), state="preparing_rebalancing"), now=NOW)
    assert seen(rebalances) == (NOW, "partitions are being given out")
    later = NOW + timedelta(minutes=1)
    rebalances.look(group(("slot 0", PLACES[:2]), ("slot 1", PLACES[2:])), now=later)
    assert seen(rebalances) == (later, "slot 1 joined")
    rebalances.look(group(("slot 1", PLACES)), now=later)
    assert seen(rebalances) == (later, "slot 0 left")
    rebalances.look(group(("slot 1", PLACES[:1])), now=later)
    assert seen(rebalances) == (later, "partitions moved between workers")
    latest = later + timedelta(minutes=1)
    rebalances.look(group(("slot 1", PLACES[:1])), now=latest)
    assert seen(rebalances)[0] == later


def test_a_group_without_workers_is_no_rebalance_for_ever() -> None:
    rebalances = Rebalances()
    for state in ("empty", "dead"):
        rebalances.look(group(state=state), now=NOW)
    assert seen(rebalances)[0] is None
    rebalances.look(group(("slot 0", PLACES)), now=NOW)
    rebalances.look(group(state="empty"), now=NOW)
    assert seen(rebalances) == (NOW, "slot 0 left")


def test_the_page_is_in_the_package_and_loads_nothing_from_elsewhere() -> None:
    files = read_files()
    assert "index.html" in files
    for path, file in files.items():
        if path.endswith((".html", ".css")):
            assert b"//" not in file.body.replace(b"http://www.w3.org/", b""), path
