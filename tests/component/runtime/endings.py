"""Ways in which a process of the runtime ends; each is called in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError
from faust.types.tuples import TP

from streams.runtime import ExitCode, RuntimeSettings, die, make_app, run
from streams.runtime.watchdog import Watchdog
from tests.component.runtime.standins import METADATA, Failed, an_app, deliver, failure, hand_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streams.runtime import RuntimeApp

SOURCE = TP("in", 0)
RECORD = ("out", b"v", b"k", -1, None, None, 0, None)
NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": "0"}


def a_step_that_hangs() -> None:
    watchdog = Watchdog()
    with watchdog.limit("quick", 60):
        pass
    with watchdog.limit("flush", 0.1):
        time.sleep(60)


# The producer


def a_record_that_is_refused() -> None:
    app = an_app()
    app.producer.librdkafka.errors["produce"] = [failure(KafkaError.MSG_SIZE_TOO_LARGE)]
    app.producer.release([RECORD])


def a_record_of_one_that_is_fenced() -> None:
    """Of a produce, librdkafka says only that there was a fatal error; the abort names it."""
    app = an_app()
    app.has_worked = True
    app.producer.librdkafka.errors["produce"] = [failure(KafkaError._FATAL)]  # noqa: SLF001  # librdkafka's public code
    app.producer.librdkafka.errors["abort"] = [failure(KafkaError._FENCED, fatal=True)]  # noqa: SLF001  # librdkafka's public code
    app.producer.release([RECORD])


def a_fatal_error_between_two_batches() -> None:
    app = an_app()
    app.has_worked = True
    app.producer.librdkafka.errors["poll"] = [failure(KafkaError._FENCED, fatal=True)]  # noqa: SLF001  # librdkafka's public code
    app.consumer.after_batch()


def a_fatal_error_in_the_flush() -> None:
    _transact(failure(KafkaError._FENCED, fatal=True), step="flush")  # noqa: SLF001  # librdkafka's public code


def a_waiting_record_that_is_no_record() -> None:
    app = an_app()
    app.producer.backlog.append(RECORD)
    app.producer.librdkafka.errors["produce"] = [TypeError("planted")]
    app.producer.drain()


def a_commit_that_is_fenced() -> None:
    _transact(failure(KafkaError._FENCED, fatal=True))  # noqa: SLF001  # librdkafka's public code


def a_commit_that_has_to_be_aborted() -> None:
    _transact(failure(KafkaError.INVALID_TXN_STATE, aborts=True))


def a_commit_and_an_abort_that_fail() -> None:
    _transact(
        failure(KafkaError.UNKNOWN_MEMBER_ID, aborts=True),
        abort=failure(KafkaError._TIMED_OUT),  # noqa: SLF001  # librdkafka's public code
    )


def _transact(error: Exception, *, step: str = "commit", abort: Exception | None = None) -> None:
    async def commit() -> None:
        app = an_app()
        app.has_worked = True
        app.producer.librdkafka.errors[step] = [error]
        app.producer.librdkafka.errors["abort"] = [] if abort is None else [abort]
        app.consumer.committer.group_metadata = METADATA
        app.consumer.committer.positions[SOURCE] = 1
        await app.consumer.commit()

    asyncio.run(commit())


def a_commit_that_fails_while_another_thread_aborts() -> None:
    app = an_app()
    app.producer.abort()

    def fails() -> None:
        raise failure(KafkaError._STATE)  # noqa: SLF001  # librdkafka's public code

    threading.Thread(target=lambda: app.producer.retry(fails, "commit"), daemon=True).start()
    time.sleep(0.3)
    die(ExitCode.MEMBERSHIP_LOST, "the other thread's reason")


def a_delivery_that_fails() -> None:
    error = failure(KafkaError.NOT_ENOUGH_REPLICAS).args[0]
    an_app().producer._on_delivery(error, None)  # noqa: SLF001  # librdkafka's callback


def a_delivery_that_is_fenced() -> None:
    app = an_app()
    app.has_worked = True
    error = failure(KafkaError.INVALID_PRODUCER_EPOCH).args[0]
    app.producer._on_delivery(error, None)  # noqa: SLF001  # librdkafka's callback


def a_producer_that_is_fenced() -> None:
    _fence(has_worked=True)


def a_producer_that_is_fenced_before_it_has_worked() -> None:
    _fence(has_worked=False)


def a_producer_that_is_fenced_after_a_sleep() -> None:
    _fence(has_worked=True, session_timeout_ms=0)  # any sleep is longer than the session


def _fence(*, has_worked: bool, **settings: Any) -> None:
    app = an_app(**settings)
    app.has_worked = has_worked
    error = failure(KafkaError.INVALID_PRODUCER_EPOCH, fatal=True).args[0]
    app.producer._on_error(error)  # noqa: SLF001  # librdkafka's callback


def a_producer_that_fails_for_good() -> None:
    error = failure(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True).args[0]
    an_app().producer._on_error(error)  # noqa: SLF001  # librdkafka's callback


# Agents and commits


def _with_agent(
    body: Callable[[RuntimeApp, AsyncIterator[Any]], Awaitable[object]],
    *topics: str,
    offsets: tuple[int, ...] = (0, 1),
    **settings: Any,
) -> None:
    async def main() -> None:
        app = an_app(**settings)
        await app.consumer.on_assigned({("in", 0)}, METADATA)
        stream = app.stream(app.topic(*(topics or ("in",))))
        deliver(app, offsets)
        await body(app, stream.events())
        await asyncio.sleep(0)

    asyncio.run(main())


def an_agent_that_ends_inside_an_event() -> None:
    async def body(_app: RuntimeApp, events: AsyncIterator[Any]) -> None:
        async for _ in events:
            break
        await events.aclose()  # type: ignore[attr-defined]  # it is a generator

    _with_agent(body)


def an_agent_that_begins_again_inside_an_event() -> None:
    async def body(app: RuntimeApp, events: AsyncIterator[Any]) -> None:
        await anext(events)
        await anext(app.stream(app.topic("in")).events())

    _with_agent(body)


def an_agent_that_stops_with_the_application() -> None:
    """An event in progress at a stop is not committed; it comes again."""

    async def body(app: RuntimeApp, events: AsyncIterator[Any]) -> None:
        await anext(events)
        app._stopped_set()  # noqa: SLF001  # as a stop does first
        await events.aclose()  # type: ignore[attr-defined]  # it is a generator
        assert app.consumer.committer.positions == {}

    _with_agent(body)


def an_event_that_outlasts_its_partition() -> None:
    async def body(app: RuntimeApp, events: AsyncIterator[Any]) -> None:
        await anext(events)
        await app.consumer.on_revoked()

    _with_agent(body, revoke_wait_seconds=0.05)


def an_offset_that_comes_twice() -> None:
    async def body(_app: RuntimeApp, events: AsyncIterator[Any]) -> None:
        async for _ in events:
            pass

    _with_agent(body, offsets=(5, 6, 6))


def an_agent_of_two_topics() -> None:
    async def body(_app: RuntimeApp, events: AsyncIterator[Any]) -> None:
        await anext(events)

    _with_agent(body, "in", "in-too")


def work_without_a_generation() -> None:
    async def commit() -> None:
        app = an_app()
        app.consumer.committer.positions[SOURCE] = 1
        await app.consumer.commit()

    asyncio.run(commit())


# The member and the process


def a_fetch_that_is_not_allowed() -> None:
    error = failure(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    asyncio.run(hand_over(an_app(), Failed(error)))


def a_fetch_whose_slot_was_taken() -> None:
    error = failure(KafkaError.FENCED_INSTANCE_ID, fatal=True)
    asyncio.run(hand_over(an_app(), Failed(error)))


def _subscribed(*subscriptions: str, client: dict[str, Any], **settings: Any) -> None:
    async def main() -> None:
        app = make_app(RuntimeSettings(client=client, group="g", **settings))
        for topic in subscriptions:
            await app.consumer.subscribe([topic])
        await asyncio.sleep(60)

    asyncio.run(main())


def a_subscription_that_changes() -> None:
    _subscribed("in", "in", "other", client=NOWHERE)


def a_consumer_with_a_setting_that_is_none() -> None:
    _subscribed("in", client={**NOWHERE, "no.such.setting": "1"})


def a_consumer_that_can_not_be_made() -> None:
    _subscribed("in", client={**NOWHERE, "stats_cb": 1})


def a_companion_that_raises() -> None:
    async def companion(_stop: asyncio.Event) -> None:
        raise ValueError("planted")

    run(make_app(RuntimeSettings(client=NOWHERE, group="g")), beside=companion)


def a_stop_before_there_is_a_broker() -> None:
    async def companion(stop: asyncio.Event) -> None:
        await asyncio.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()

    sys.exit(run(make_app(RuntimeSettings(client=NOWHERE, group="g")), beside=companion))
