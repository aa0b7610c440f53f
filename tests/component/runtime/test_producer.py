"""The producer keeps order and loses nothing, whatever librdkafka's queue has room for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from streams.runtime import RuntimeSettings, make_app
from streams.runtime.context import EventScope, current_scope
from tests.component.runtime.standins import OnStandIn, an_app, failure

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def producer() -> OnStandIn:
    found: OnStandIn = an_app().producer
    return found


def records(*numbers: int) -> list[tuple[object, ...]]:
    return [("out", b"%d" % number, b"k", -1, None, None, 0, None) for number in numbers]


async def drained(producer: OnStandIn) -> None:
    async with asyncio.timeout(30):
        while producer.backlog:  # noqa: ASYNC110  # it empties itself by a timer
            await asyncio.sleep(0.005)


async def test_a_full_queue_delays_records_and_keeps_their_order(producer: OnStandIn) -> None:
    librdkafka = producer.librdkafka
    librdkafka.room = 3
    producer.release(records(0, 1, 2, 3, 4))
    producer.release(records(5, 6))
    assert librdkafka.produced == records(0, 1, 2)
    librdkafka.room = 1
    producer.release(records(7))
    await asyncio.sleep(0.05)
    assert librdkafka.produced == records(0, 1, 2, 3)
    librdkafka.room = 100
    await drained(producer)
    assert librdkafka.produced == records(*range(8))


async def test_a_full_queue_begins_no_commit_into_the_next_transaction(
    producer: OnStandIn,
) -> None:
    librdkafka = producer.librdkafka
    librdkafka.room = 0
    producer.release(records(0))
    producer.is_committing = True
    librdkafka.room = 100
    await asyncio.sleep(0.05)
    assert librdkafka.produced == [], "the retry came while a commit was under way"
    producer.is_committing = False
    producer.drain()
    assert librdkafka.produced == records(0)


def test_what_is_released_during_a_commit_waits_for_the_next_transaction(
    producer: OnStandIn,
) -> None:
    producer.is_committing = True
    producer.release(records(0, 1))
    producer.release(records(2))
    assert producer.librdkafka.produced == []
    producer.is_committing = False
    producer.drain()
    assert producer.librdkafka.produced == records(0, 1, 2)


def test_changelog_records_are_counted_when_they_are_released_waiting_or_not(
    producer: OnStandIn,
) -> None:
    producer.extents.restored({("c", 1): 0}, {("c", 1): 10})
    producer.release([("c", b"v", b"k", 1), *records(0)])
    producer.is_committing = True
    producer.release([("c", None, b"k", 1)])
    assert producer.extents.end("c", 1) == 12


def test_a_passing_error_is_tried_again_until_it_passes(producer: OnStandIn) -> None:
    passing = failure(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True)
    librdkafka = producer.librdkafka
    librdkafka.errors["commit"] = [passing, passing]
    with capture_logs() as logs:
        producer.retry(lambda: librdkafka.commit_transaction(1), "commit_transaction")
    assert librdkafka.calls == ["commit"] * 3
    assert [entry["event"] for entry in logs] == ["retrying"] * 2


async def test_a_stop_aborts_what_was_not_committed(producer: OnStandIn) -> None:
    producer._has_begun = True  # noqa: SLF001  # as after a start
    await producer.on_stop()
    assert producer.librdkafka.calls == ["abort"]


async def test_a_stop_goes_on_where_even_the_abort_fails(producer: OnStandIn) -> None:
    producer._has_begun = True  # noqa: SLF001  # as after a start
    producer.librdkafka.errors["abort"] = [failure(KafkaError._TIMED_OUT)]  # noqa: SLF001  # librdkafka's public code
    with capture_logs() as logs:
        await producer.on_stop()
    assert logs == [{"event": "abort_failed", "error": "_TIMED_OUT", "log_level": "warning"}]


async def test_a_stop_leaves_a_commit_under_way_alone(producer: OnStandIn) -> None:
    producer._has_begun = True  # noqa: SLF001  # as after a start
    producer.is_committing = True
    await producer.on_stop()
    assert producer.librdkafka.calls == []


def test_there_is_no_producer_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = make_app(RuntimeSettings(client={}, group="g")).producer.librdkafka


def test_a_slot_has_one_transactional_id_and_no_slot_a_new_one_each_time() -> None:
    assert an_app(slot="3").producer.transactional_id == "g-3"
    assert an_app().producer.transactional_id != an_app().producer.transactional_id


def test_an_error_that_passes_is_only_told(producer: OnStandIn) -> None:
    with capture_logs() as logs:
        producer._on_error(failure(KafkaError._TRANSPORT).args[0])  # noqa: SLF001  # librdkafka's callback
    assert [entry["event"] for entry in logs] == ["producer_error"]


def test_records_of_an_aborted_transaction_may_fail(producer: OnStandIn) -> None:
    producer.abort()
    producer._on_delivery(failure(KafkaError._PURGE_QUEUE).args[0], None)  # noqa: SLF001  # librdkafka's callback


# What Faust asks a producer


@pytest.fixture
def scope() -> Iterator[EventScope]:
    found = EventScope()
    found.event = object()
    token = current_scope.set(found)
    yield found
    current_scope.reset(token)


async def test_fausts_own_sends_are_records_of_the_event_too(
    producer: OnStandIn, scope: EventScope
) -> None:
    sent = await producer.send_and_wait("out", b"k", b"v", 2, None, None, transactional_id="t")
    assert (sent.topic, sent.partition) == ("out", 2)
    assert scope.records == [("out", b"v", b"k", 2, None, None, 0, None)]
    assert producer.supports_headers()


async def test_topics_are_not_made_and_a_flush_is_the_commits(producer: OnStandIn) -> None:
    with pytest.raises(RuntimeError, match="makes no topics"):
        await producer.create_topic("t", 1, 1)
    await producer.flush()
    await producer.buffer.flush()
    await producer.buffer.wait_until_ebb()
    assert producer.librdkafka.calls == []
