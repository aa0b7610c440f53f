"""Batches to agents and commits: what is delivered, what is dropped, and what one commit holds."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from faust.types.tuples import TP
from structlog.testing import capture_logs

from tests.component.runtime.standins import (
    GENERATION,
    METADATA,
    Failed,
    Raw,
    an_app,
    deliver,
    failure,
    hand_over,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streams.runtime import RuntimeApp
    from streams.runtime.delivery import RuntimeEvent

SOURCE = TP("in", 0)


@pytest.fixture
async def app() -> RuntimeApp:
    """One partition is assigned and restored."""
    found = an_app()
    await found.consumer.on_assigned({("in", 0)}, METADATA)
    found.consumer.expected = {SOURCE: 0}
    return found


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # a condition on the parts under test
            await asyncio.sleep(0.001)


async def ignore(_event: RuntimeEvent) -> None:
    """An agent without effects."""


@asynccontextmanager
async def an_agent(
    app: RuntimeApp, body: Callable[[RuntimeEvent], Awaitable[None]] = ignore
) -> AsyncIterator[None]:
    """An agent on the topic ``in`` that ends between events."""
    stream = app.stream(app.topic("in"))

    async def run() -> None:
        async for event in stream.events():
            await body(event)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await stream.stop()


async def test_an_event_shows_its_record(app: RuntimeApp) -> None:
    seen: list[RuntimeEvent] = []

    async def body(event: RuntimeEvent) -> None:
        seen.append(event)

    async with an_agent(app, body):
        deliver(app, [4])
        await until(lambda: seen)
    [event] = seen
    message = event.message
    assert (message.topic, message.partition, message.offset) == ("in", 0, 4)
    assert (event.key, event.value, event.headers) == (b"k", b"4", [])
    assert event.timestamp_ms == 1_700_000_000_000
    pairs: list[tuple[str, bytes | None]] = [("a", b"1"), ("a", None)]
    assert type(event)(Raw(0, 4, pairs=pairs), "in", 0, 4).headers == pairs


async def test_an_agent_may_iterate_over_values(app: RuntimeApp) -> None:
    seen: list[bytes | None] = []
    stream = app.stream(app.topic("in"))

    async def run() -> None:
        async for value in stream:
            seen.append(value)  # noqa: PERF401  # the agent's body

    task = asyncio.create_task(run())
    deliver(app, [0, 1, 2])
    await until(lambda: len(seen) == 3)
    assert seen == [b"0", b"1", b"2"]
    await until(lambda: app.consumer.committer.events_since == 3)
    task.cancel()
    await stream.stop()


async def test_batches_wait_for_their_agent(app: RuntimeApp) -> None:
    deliver(app, [0, 1])
    await asyncio.sleep(0.03)
    async with an_agent(app):
        await until(lambda: app.consumer.expected[SOURCE] == 2)


async def test_what_was_fetched_under_an_older_assignment_is_dropped(app: RuntimeApp) -> None:
    seen: list[int] = []

    async def body(event: RuntimeEvent) -> None:
        seen.append(event.offset)

    async with an_agent(app, body):
        await until(lambda: app.consumer.queues)
        deliver(app, [0, 1], epoch=app.consumer.epoch - 1)
        deliver(app, [2])  # queued, and then the assignment changes
        app.consumer.epoch += 1
        deliver(app, [0])
        await until(lambda: seen)
    assert seen == [0]


async def test_a_partition_that_goes_takes_the_rest_of_its_batch_with_it(app: RuntimeApp) -> None:
    begun, go_on, seen = asyncio.Event(), asyncio.Event(), list[int]()

    async def body(event: RuntimeEvent) -> None:
        seen.append(event.offset)
        begun.set()
        await go_on.wait()

    async with an_agent(app, body):
        deliver(app, [0, 1, 2], end=9)
        await begun.wait()
        deliver(app, [3])
        revoking = asyncio.create_task(app.consumer.on_revoked())
        await asyncio.sleep(0.02)
        assert not revoking.done(), "the event in progress may finish"
        go_on.set()
        await revoking
        await asyncio.sleep(0.02)
    assert seen == [0]
    [committed] = app.producer.librdkafka.offsets
    assert committed.offset == 1, "the finished event, and nothing of what was dropped"
    assert (app.consumer.assignment(), app.consumer.expected) == (set(), {})
    assert not app.is_ready


async def test_the_end_of_a_partition_moves_its_position_over_control_records(
    app: RuntimeApp,
) -> None:
    async with an_agent(app):
        deliver(app, [0, 1], end=3)
        await until(lambda: app.consumer.committer.positions.get(SOURCE) == 3)
        deliver(app, [], end=2)  # an older one moves nothing back
        deliver(app, [3])
        await until(lambda: app.consumer.committer.positions.get(SOURCE) == 4)
    app.consumer.highs[SOURCE] = 7
    assert (app.consumer.lag(SOURCE), await app.consumer.position(SOURCE)) == (3, 4)
    assert app.consumer.lag(TP("in", 1)) is None


@pytest.mark.parametrize(
    "error",
    [
        failure(KafkaError._TRANSPORT),  # noqa: SLF001  # librdkafka's public code
        failure(KafkaError.NOT_COORDINATOR),
        failure(KafkaError.REQUEST_TIMED_OUT, retriable=True),
    ],
    ids=str,
)
async def test_a_passing_error_of_a_fetch_is_told_and_costs_no_record(
    app: RuntimeApp, error: KafkaException
) -> None:
    async with an_agent(app):
        with capture_logs() as logs:
            await hand_over(app, Raw(0, 0), Failed(error), Raw(0, 1))
        await until(lambda: app.consumer.expected[SOURCE] == 2)
    assert [entry["event"] for entry in logs] == ["fetch_retries"]


async def test_a_slow_broker_holds_the_agent_back(app: RuntimeApp) -> None:
    app.producer.is_committing = True
    app.producer.release([("out", b"v", b"k", -1)] * 20_001)
    async with an_agent(app):
        deliver(app, [0])
        await asyncio.sleep(0.05)
        assert app.consumer.expected[SOURCE] == 0
        app.producer.is_committing = False
        app.producer.drain()
        await until(lambda: app.consumer.expected[SOURCE] == 1)


async def test_a_batch_that_is_dropped_while_the_agent_is_held_back_is_not_delivered(
    app: RuntimeApp,
) -> None:
    app.producer.is_committing = True
    app.producer.release([("out", b"v", b"k", -1)] * 20_001)
    async with an_agent(app):
        await until(lambda: app.consumer.queues)
        deliver(app, [0])
        await asyncio.sleep(0.02)
        app.producer.is_committing = False
        app.producer.drain()
        await app.consumer.on_revoked()
        await asyncio.sleep(0.02)
    assert app.consumer.committer.statistics.events == 0


# Commits


async def test_a_commit_flushes_sends_offsets_and_commits_in_this_order(app: RuntimeApp) -> None:
    table = app.Table("counts", partitions=8)
    table.bind()
    table.stores = {0: {}}
    app.producer.extents.restored({(table.changelog, 0): 2}, {(table.changelog, 0): 10})
    app.producer.librdkafka.unflushed = 3

    async def body(event: RuntimeEvent) -> None:
        table[b"k"] = event.value

    async with an_agent(app, body):
        deliver(app, [0, 1])
        await until(lambda: app.consumer.expected[SOURCE] == 2)
        assert await app.consumer.commit()
    assert app.producer.librdkafka.calls == ["flush"] * 3 + ["send_offsets", "commit", "begin"]
    [committed] = app.producer.librdkafka.offsets
    assert (committed.topic, committed.partition, committed.offset) == ("in", 0, 2)
    assert json.loads(committed.metadata) == {
        "ends": {"g-counts-changelog": 12},
        "starts": {"g-counts-changelog": 2},
        "until": None,
        "owner": app.producer.transactional_id,
    }
    assert app.consumer.committer.committed == {SOURCE: 2}


async def test_a_transaction_without_offsets_is_never_committed(app: RuntimeApp) -> None:
    assert not await app.consumer.commit()
    await app.consumer.commit_and_end_transactions()
    assert app.producer.librdkafka.calls == []


async def test_a_commit_waits_for_the_records_of_its_events(app: RuntimeApp) -> None:
    app.producer.librdkafka.room = 0
    app.producer.release([("out", b"v", b"k", -1)])
    app.consumer.committer.positions[SOURCE] = 1
    committing = asyncio.create_task(app.consumer.commit())
    await asyncio.sleep(0.05)
    assert app.producer.librdkafka.calls == []
    app.producer.librdkafka.room = 1
    assert await committing
    assert len(app.producer.librdkafka.produced) == 1


async def test_many_events_make_a_commit_due_before_its_time() -> None:
    app = an_app(commit_after_events=2)
    await app.consumer.on_assigned({("in", 0)}, METADATA)
    async with an_agent(app):
        deliver(app, [0])
        await until(lambda: app.consumer.expected.get(SOURCE) == 1)
        assert not app.consumer.committer.is_due.is_set()
        deliver(app, [1])
        await until(app.consumer.committer.is_due.is_set)


async def test_a_rebuild_sends_nothing_below_its_end_and_says_when_it_is_there(
    app: RuntimeApp,
) -> None:
    app.consumer.committer.muted_until[SOURCE] = 2
    topic = app.topic("out")

    async def body(event: RuntimeEvent) -> None:
        await topic.send(key=event.key, value=event.value)

    async def committed_until() -> Any:
        await app.consumer.commit()
        [committed] = app.producer.librdkafka.offsets
        return json.loads(committed.metadata)["until"]

    async with an_agent(app, body):
        deliver(app, [0])
        await until(lambda: app.consumer.expected[SOURCE] == 1)
        assert await committed_until() == 2
        with capture_logs() as logs:
            deliver(app, [1, 2])
            await until(lambda: app.consumer.expected[SOURCE] == 3)
            assert await committed_until() is None
    assert [record[1] for record in app.producer.librdkafka.produced] == [b"2"]
    assert [entry["event"] for entry in logs] == ["state_rebuilt"]
    assert app.consumer.committer.muted_until == {}


# Membership


async def test_a_member_without_partitions_is_ready_at_once() -> None:
    app = an_app()
    await app.consumer.on_assigned(set(), METADATA)
    assert app.is_ready
    assert app.consumer.ready.is_set()
    assert (app.consumer.generation, app.rebalancing) == (GENERATION, False)
    assert not await app.tables.wait_until_recovery_completed()


async def test_partitions_whose_state_is_not_in_place_are_not_kept_when_they_go() -> None:
    app = an_app()
    table = app.Table("counts", partitions=8)
    table.bind()
    await app.consumer.on_assigned({("in", 0)}, METADATA)
    await app.consumer.on_revoked()
    assert app.consumer.kept.take((table.changelog, 0)) is None


async def test_an_agent_that_comes_back_between_events_goes_on_with_its_queue(
    app: RuntimeApp,
) -> None:
    async with an_agent(app):
        deliver(app, [0])
        await until(lambda: app.consumer.expected[SOURCE] == 1)
    deliver(app, [1])
    async with an_agent(app):
        await until(lambda: app.consumer.expected[SOURCE] == 2)


async def test_all_source_topics_have_the_count_of_the_settings(app: RuntimeApp) -> None:
    assert app.consumer.topic_partitions("in") == app.runtime.partitions


async def test_a_member_that_never_joined_can_be_stopped(app: RuntimeApp) -> None:
    with capture_logs() as logs:
        await app.consumer.on_stop()
    assert [(entry["event"], entry["commits"]) for entry in logs] == [("stopped", 0)]
