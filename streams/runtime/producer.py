"""The transactional producer: everything that an event sends is in that event's transaction.

Invariants: an event's records enter the open transaction together, in one tick of the event loop,
with its offset; while a commit is under way they wait in ``backlog`` for the next transaction. A
produce that fails ends the process: half of an event's records are never committed.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import confluent_kafka
import structlog
from confluent_kafka import KafkaError, KafkaException
from faust.transport.producer import Producer as FaustProducer
from faust.types.tuples import TP, RecordMetadata
from mode import Service

from streams.runtime.exits import ExitCode, die
from streams.runtime.extents import Extents
from streams.runtime.topic import put

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from streams.runtime.context import Record
    from streams.runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)

_FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001  # librdkafka's public code for "fenced by another producer"
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.PRODUCER_FENCED,
    }
)
_RETRY_SECONDS = 0.05
_INIT_LIMIT_SECONDS = 90.0
#: One call of it; it is resumed by the next. Short, for a stop has to wait for it.
_INIT_STEP_SECONDS = 2.0
_METADATA_LIMIT_SECONDS = 2.0
#: To each broker; with more, librdkafka's threads spin while a broker is slow. ADR 21.
_REQUESTS_IN_FLIGHT = 1
_QUEUE_FULL_RETRY_SECONDS = 0.01


class _NoBuffer(Service):  # type: ignore[misc]  # mode is untyped here
    """Stands where Faust expects its producer buffer; nothing is buffered outside the producer."""

    app: Any = None
    threaded_producer = None

    async def flush(self) -> None:
        """Nothing to do."""

    async def wait_until_ebb(self) -> None:
        """Nothing to wait for."""


class TransactionalProducer(FaustProducer):  # type: ignore[misc]  # Faust is untyped here
    """Faust's producer on one librdkafka producer with one transaction open at a time."""

    def __init__(self, transport: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Faust's signature
        super().__init__(transport, **kwargs)
        self.buffer = _NoBuffer()
        self.buffer.app = self.app
        self.settings: RuntimeSettings = self.app.runtime
        self.backlog: deque[Record] = deque()
        self.extents = Extents()
        #: The same for every process of a slot: a successor aborts what its predecessor left.
        self.transactional_id = f"{self.settings.group}-{self.settings.slot or uuid.uuid4().hex}"
        self.is_committing = False
        self.is_aborting = False
        self._has_begun = False
        self._is_stopped = False
        self._pool = ThreadPoolExecutor(1, "transactions")
        self._producer: confluent_kafka.Producer | None = None

    @property
    def librdkafka(self) -> confluent_kafka.Producer:
        """The producer underneath; there is one while the service runs."""
        if self._producer is None:
            raise RuntimeError("the producer has not been started")
        return self._producer

    async def on_start(self) -> None:
        """Open the first transaction; an older process of this slot is fenced by it."""
        config: dict[str, Any] = {
            **self.settings.client,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": self.settings.linger_ms,
            "max.in.flight": _REQUESTS_IN_FLIGHT,
            "delivery.report.only.error": True,
            "on_delivery": self._on_delivery,
            "error_cb": self._on_error,
            "message.max.bytes": self.settings.largest_message,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 1_048_576,
            "transactional.id": self.transactional_id,
            "transaction.timeout.ms": self.settings.transaction_timeout_ms,
        }
        self._producer = producer = confluent_kafka.Producer(config)
        with self.app.watchdog.limit("init_transactions", _INIT_LIMIT_SECONDS):
            await self.in_thread(
                lambda: self.retry(
                    lambda: producer.init_transactions(_INIT_STEP_SECONDS), "init_transactions"
                )
            )
        await self.in_thread(self._learn_topics)
        producer.begin_transaction()
        self._has_begun = True

    def _learn_topics(self) -> None:
        """Ask for the leaders of all that an event may write to; librdkafka keeps them fresh.

        It asks for those of a topic that it has not met by a timer of one second, and the
        transaction of the first record would wait for that, once for each topic.
        """
        try:
            for topic in self.app.declared_topics:
                self.librdkafka.list_topics(topic, timeout=_METADATA_LIMIT_SECONDS)
        except KafkaException as error:  # what it has not learned it asks for with the first record
            log.warning("topics_not_learned", error=_name(error))

    async def on_stop(self) -> None:
        """Abort what was not committed; it will be done again."""
        self._is_stopped = True
        if self._has_begun and not self.is_committing:
            self.is_aborting = True
            try:
                await self.in_thread(lambda: self.librdkafka.abort_transaction(5))
            except KafkaException as error:
                log.warning("abort_failed", error=_name(error))
        self._pool.shutdown(wait=False)

    def in_thread(self, call: Callable[[], Any]) -> Awaitable[Any]:
        """Run a blocking call of librdkafka; one at a time, in order."""
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    def retry(self, call: Callable[[], Any], step: str) -> Any:  # noqa: ANN401  # the call's own
        """Call until it succeeds or the error is definite; then abort and exit."""
        while True:
            try:
                return call()
            except KafkaException as exception:
                error = exception.args[0]
                while self.is_aborting:  # another thread aborts and exits: never race with it
                    time.sleep(1)
                if error.retriable() and not error.fatal() and not error.txn_requires_abort():
                    if self._is_stopped and not self._has_begun:
                        return None  # no broker was there, and nobody waits for one any more
                    log.warning("retrying", step=step, error=error.name())
                    time.sleep(_RETRY_SECONDS)
                    continue
                self.abort()
                die(self._code_of(error), f"{step} failed", error=error.name(), detail=error.str())

    def abort(self) -> KafkaError | None:
        """Abort as well as can be: readers see past the transaction now, not at its timeout.

        Returns what stood in the way. After a fatal error that is the error itself; of a produce,
        librdkafka says only that there was one.
        """
        self.is_aborting = True
        try:
            self.librdkafka.abort_transaction(3)
        except KafkaException as exception:
            log.warning("abort_failed", error=_name(exception))
            error: KafkaError = exception.args[0]
            return error
        return None

    def poll(self) -> None:
        """Hear what librdkafka has to say.

        A fatal error does not reach ``error_cb``: confluent-kafka raises it here.
        """
        try:
            self.librdkafka.poll(0)
        except KafkaException as exception:
            self._on_error(exception.args[0])

    def release(self, records: Iterable[Record]) -> None:
        """Produce the records of a finished event, or keep them for the next transaction."""
        pending, written = list(records), self.extents.written
        for record in pending:
            if record[3] >= 0:  # its partition is given: a changelog's
                written[record[0], record[3]] += 1
        if self.is_committing or self.backlog:
            self.backlog.extend(pending)
            if not self.is_committing:
                self.drain()
            return
        done = 0
        produce = self.librdkafka.produce
        try:
            for record in pending:
                produce(*record)
                done += 1
        except BufferError:
            self.backlog.extend(pending[done:])
            self._drain_later()
        except (KafkaException, TypeError, ValueError) as error:
            self._fail(error)

    def drain(self) -> None:
        """Produce what waited, in order."""
        backlog, produce = self.backlog, self.librdkafka.produce
        try:
            while backlog:
                produce(*backlog[0])
                backlog.popleft()
        except BufferError:
            self.poll()
            self._drain_later()
        except (KafkaException, TypeError, ValueError) as error:
            self._fail(error)

    def _drain_later(self) -> None:
        def drain() -> None:
            if not self.is_committing:
                self.drain()

        asyncio.get_running_loop().call_later(_QUEUE_FULL_RETRY_SECONDS, drain)

    def _fail(self, error: Exception) -> None:
        cause = self.abort()
        code = ExitCode.PRODUCER_FAILED if cause is None else self._code_of(cause)
        die(code, "produce failed", error=repr(error))

    def _on_delivery(self, error: KafkaError | None, _message: object) -> None:
        if error is not None and not self.is_aborting:
            die(self._code_of(error), "delivery failed", error=error.name())

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            die(
                self._code_of(error),
                "the producer failed for good",
                error=error.name(),
                detail=error.str(),
            )
        log.warning("producer_error", error=error.name(), detail=error.str())

    def _code_of(self, error: KafkaError) -> ExitCode:
        """Who is fenced while it works has a twin, unless it slept: then others took its place."""
        if error.code() not in _FENCED:
            return ExitCode.PRODUCER_FAILED
        if self.app.watchdog.has_slept(self.settings.session_timeout_ms / 1000):
            return ExitCode.MEMBERSHIP_LOST
        return ExitCode.SLOT_CONFLICT if self.app.has_worked else ExitCode.PRODUCER_FAILED

    # Faust's interface

    async def send(  # noqa: PLR0913  # Faust's signature
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,  # noqa: ANN401  # Faust's signature
        *,
        transactional_id: str | None = None,
    ) -> Any:  # noqa: ANN401  # Faust's signature
        """Add a record to the event in progress; see ``RuntimeTopic.send``."""
        del transactional_id
        put(topic, key, value, partition=partition, timestamp=timestamp, headers=headers)
        future = asyncio.get_running_loop().create_future()
        tp = TP(topic, partition or 0)
        future.set_result(RecordMetadata(topic, partition or 0, tp, -1, None, None))
        return future

    async def send_and_wait(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # Faust's
        """As ``send``: a record is durable with its event's commit, not before."""
        return await (await self.send(*args, **kwargs))

    async def flush(self) -> None:
        """Nothing to do: the commit flushes."""

    async def create_topic(self, *_args: object, **_kwargs: object) -> None:
        """Topics are made by an administrator, never by a worker."""
        raise RuntimeError("the runtime makes no topics; create them before it starts")

    def supports_headers(self) -> bool:
        """Kafka has had headers since 0.11."""
        return True


def _name(error: KafkaException) -> str:
    name: str = error.args[0].name()
    return name
