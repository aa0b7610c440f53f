"""An application in the process of the test: a slow agent, a rebalance during a restore."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, Producer

from streams.runtime import ExitCode, RuntimeApp, RuntimeSettings, make_app, run
from streams.runtime.extents import Note
from streams.runtime.watchdog import Watchdog
from tests.integration.runtime.running import PARTITIONS
from tests.support.ending import ending
from tests.support.services import read_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.integration.runtime.running import Run

pytestmark = pytest.mark.kafka


def counting(
    run: Run, *, sleep: float = 0, client: dict[str, Any] | None = None, **settings: Any
) -> RuntimeApp:
    """The application of ``counting.py``, for this process."""
    app = make_app(
        RuntimeSettings(
            client={"bootstrap.servers": run.bootstrap_servers, **(client or {})},
            group=f"{run.name}-group",
            partitions=PARTITIONS,
            session_timeout_ms=10_000,
            **settings,
        )
    )
    output = app.topic(run.output)
    counts = app.Table("counts", partitions=PARTITIONS)

    @app.agent(app.topic(run.source), name="count")  # type: ignore[untyped-decorator]  # Faust is untyped here
    async def count(stream: Any) -> None:
        async for event in stream.events():
            number = int(counts.get(event.key, b"0")) + 1
            counts[event.key] = b"%d" % number
            if sleep:
                await asyncio.sleep(sleep)
            value = b"%d:%d:%d" % (event.partition, event.offset, number)
            await output.send(key=event.key, value=value)

    return app


@asynccontextmanager
async def started(app: RuntimeApp) -> AsyncIterator[None]:
    app.watchdog = Watchdog()
    app.loop = asyncio.get_running_loop()
    starting = asyncio.create_task(app.maybe_start())
    try:
        yield
    finally:
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        await app.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(90):
        while not condition():  # noqa: ASYNC110  # a condition on the broker
            await asyncio.sleep(0.05)


async def not_ready(app: RuntimeApp) -> bool:
    await asyncio.sleep(0.5)
    return not app.is_ready


async def test_a_slow_agent_is_given_no_more_than_a_few_batches_ahead(running: Run) -> None:
    running.feed(300)
    app = counting(running, sleep=0.002, batch=5)
    async with started(app):
        most = 0
        while app.consumer.committer.statistics.events < 300:
            queues = app.consumer.queues.values()
            most = max(most, *(sum(len(b.messages) for b in q.batches) for q in queues), 0)
            await asyncio.sleep(0.002)
    assert 0 < most <= 5 * 5, "four batches and the next one"
    running.check()


async def test_a_worker_that_is_ready_knows_the_leaders_of_all_it_writes(running: Run) -> None:
    """Else each topic's first record holds its transaction up for a second."""
    known: dict[str, int] = {}

    def note(statistics: str) -> None:
        told = json.loads(statistics)
        known[told["type"]] = told["metadata_cache_cnt"]

    app = counting(running, client={"statistics.interval.ms": 100, "stats_cb": note})
    async with started(app):
        await until(lambda: app.is_ready)
        known.clear()
        await until(lambda: "producer" in known)
    assert known["producer"] == len({running.source, running.output, running.changelog})


async def test_a_restore_is_interrupted_by_a_rebalance_and_goes_on_after_it(running: Run) -> None:
    owner = Producer(
        {
            "bootstrap.servers": running.bootstrap_servers,
            "transactional.id": f"{running.name}-owner",
        }
    )
    owner.init_transactions(60)
    owner.begin_transaction()
    for number in range(PARTITIONS):
        owner.produce(running.changelog, b"999", b"k1", number)
    owner.flush()
    running.feed(200)
    app = counting(running)
    async with started(app):
        await until(app.consumer.assignment)
        assert await not_ready(app), "it waits for the open transaction"
        guest = Consumer(
            {
                "bootstrap.servers": running.bootstrap_servers,
                "group.id": f"{running.name}-group",
                "partition.assignment.strategy": "range",
                "enable.auto.commit": False,
            }
        )
        guest.subscribe([running.source])

        def guest_has_some() -> bool:
            guest.poll(0)
            return bool(guest.assignment())

        await until(guest_has_some)
        await until(lambda: 0 < len(app.consumer.assignment()) < PARTITIONS)
        guest.close()
        await until(lambda: len(app.consumer.assignment()) == PARTITIONS)
        assert await not_ready(app)
        owner.abort_transaction(30)
        await until(lambda: running.lag() == 0)
        assert app.is_ready
    running.check()


async def test_a_rebuild_empties_what_is_left_and_goes_through_the_source_in_silence(
    running: Run,
) -> None:
    producer = Producer({"bootstrap.servers": running.bootstrap_servers})
    for number in range(PARTITIONS):
        producer.produce(running.changelog, b"999", b"none of the source", number)
    producer.flush()
    running.feed(200)
    before = Counter(m.partition() for m in read_all(running.settings, running.source))
    for number, count in before.items():
        running.commit_offset(number, count, Note({running.changelog: 100}))
    app = counting(running, rebuild_lost_state=True)
    async with started(app):
        await until(lambda: app.is_ready)
        await until(lambda: app.consumer.committer.statistics.events == 200)
        await until(lambda: not app.consumer.committer.muted_until)
        assert running.outputs() == 0, "all of it was sent before"
        running.feed(50)
        await until(lambda: running.lag() == 0)
    assert running.outputs() == 50
    source = read_all(running.settings, running.source)
    assert running.state() == dict(Counter(message.key() for message in source))


def an_application_with_sources_of_different_counts(servers: str, *topics: str) -> None:
    app = make_app(RuntimeSettings(client={"bootstrap.servers": servers}, group=topics[0]))
    for number, topic in enumerate(topics):

        @app.agent(app.topic(topic), name=f"agent-{number}")  # type: ignore[untyped-decorator]  # Faust is untyped here
        async def agent(stream: Any) -> None:
            async for _ in stream.events():
                pass

    run(app)


def test_sources_of_different_partition_counts_are_refused(running: Run, tmp_path: Path) -> None:
    running.create(f"{running.name}-in-2", partitions=3)
    end = ending(
        an_application_with_sources_of_different_counts,
        running.bootstrap_servers,
        running.source,
        f"{running.name}-in-2",
        log=tmp_path / "log",
    )
    assert end.code == ExitCode.NOT_CO_ASSIGNED, end.text
    assert "assigned apart" in end.text
