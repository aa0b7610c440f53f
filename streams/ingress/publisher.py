"""Publishes to Kafka and says, on the event loop, when a record is on all in-sync replicas.

The loop itself asks librdkafka for acknowledgements, by a timer: a thread that waited for them
would take the interpreter from the loop and give it back several times a webhook.

Invariant: what waits for Kafka is bounded, in number and in time, whatever the brokers do.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.adapters.kafka import producer_config
from streams.adapters.topics import DEAD_LETTERS, SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka.admin import TopicMetadata

    from streams.config import Settings

log = structlog.get_logger(__name__)


#: Records of so many milliseconds go together: a webhook waits that long, and costs 5 % less than
#: with 3, ours and the broker's. Measured: docs/performance.
_LINGER_MS: Final = 5
#: To each broker; with more, librdkafka's threads spin while a broker is slow. What comes while
#: one is under way is sent together. ADR 21.
_REQUESTS_IN_FLIGHT: Final = 1
#: How soon an acknowledgement is seen, while one is waited for and otherwise.
_POLL_SECONDS: Final = 0.002
_IDLE_POLL_SECONDS: Final = 0.05
_REACH_SECONDS: Final = 2.0
_TELL_EVERY_SECONDS: Final = 10.0
#: A record that Kafka has not taken by then is given up; Wix resends what we did not answer 200.
_GIVE_UP_MS: Final = 10_000


class KafkaBusyError(Exception):
    """Kafka takes no more now: 503."""


class Publisher:
    """A producer. Start it inside the event loop, and use it there."""

    def __init__(self, settings: Settings) -> None:
        self._source, self._dead_letters = settings.topic(SOURCE), settings.topic(DEAD_LETTERS)
        self._producer = Producer(
            {
                **producer_config(settings),
                "linger.ms": _LINGER_MS,
                "max.in.flight": _REQUESTS_IN_FLIGHT,
                "message.timeout.ms": _GIVE_UP_MS,
                "queue.buffering.max.messages": 4 * settings.ingress_max_in_flight,
                "queue.buffering.max.kbytes": 65_536,
                "message.max.bytes": 2_097_152,
                "socket.timeout.ms": 5_000,
                "error_cb": self._on_error,
                "log_level": 2,  # its errors come through error_cb, in the form of our logs
                "statistics.interval.ms": 500,
                "stats_cb": self._on_statistics,
            }
        )
        self._limit_seconds = settings.ingress_deadline_ms / 1000
        self._timer: asyncio.TimerHandle | None = None
        self._unacknowledged: dict[int, float] = {}
        self._number = 0
        self._is_stopping = threading.Event()
        self._has_topic = False
        self._has_producer_id = False
        self._error_log = _ErrorLog()
        #: Set when this producer can never again produce; only a new process can.
        self.failed = asyncio.Event()

    @property
    def is_reachable(self) -> bool:
        """Whether a record could be produced now: the topic has leaders, we have a producer id."""
        return self._has_topic and self._has_producer_id and not self.failed.is_set()

    def start(self) -> None:
        """Begin to poll on the running loop."""
        self._poll()
        threading.Thread(target=self._reach, daemon=True, name="reach").start()

    @property
    def waiting(self) -> int:
        """Records that Kafka has not acknowledged."""
        return len(self._unacknowledged)

    def is_stuck(self, now: float) -> bool:
        """Whether Kafka has let a record wait for longer than a webhook may."""
        try:
            oldest = next(iter(self._unacknowledged.values()), None)
        except RuntimeError:  # a probe's thread looked while the loop's added one: not stuck
            return False
        return oldest is not None and now - oldest > self._limit_seconds

    def publish(  # the parts of a record
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        headers: list[tuple[str, bytes]] | list[tuple[str, bytes | None]],
        *,
        timestamp_ms: int,
        on_delivery: Callable[[tuple[str, int, int] | None], None],
    ) -> None:
        """Hand a record to Kafka; ``on_delivery`` is called once, on the event loop.

        Raises:
            KafkaBusyError: the queue is full.
        """
        self._number = number = self._number + 1

        def delivered(error: KafkaError | None, message: Message) -> None:
            del self._unacknowledged[number]
            position: Any = None
            if error is None:
                position = (message.topic(), message.partition(), message.offset())
            on_delivery(position)

        self._unacknowledged[number] = time.monotonic()
        try:
            self._producer.produce(
                topic,
                value,
                key,
                timestamp=timestamp_ms,
                headers=headers,
                on_delivery=delivered,
            )
        except (BufferError, KafkaException):
            del self._unacknowledged[number]
            raise KafkaBusyError from None
        if len(self._unacknowledged) == 1:
            self._poll_in(_POLL_SECONDS)

    async def stop(self, limit_seconds: float) -> int:
        """Wait for what is under way; the number of records that were not acknowledged."""
        deadline = time.monotonic() + limit_seconds
        while self._unacknowledged and time.monotonic() < deadline:  # noqa: ASYNC110  # ours, on purpose
            await asyncio.sleep(_POLL_SECONDS)
        self._is_stopping.set()
        return len(self._unacknowledged)

    def _poll(self) -> None:
        if self._is_stopping.is_set():
            return
        try:
            self._producer.poll(0)
        except KafkaException as exception:  # a fatal error: it does not reach error_cb
            self._on_error(exception.args[0])
        finally:
            self._poll_in(_POLL_SECONDS if self._unacknowledged else _IDLE_POLL_SECONDS)

    def _poll_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._poll)

    def _reach(self) -> None:
        """Look now and then whether Kafka answers, for the readiness probe.

        For dead letters too, though without them we are ready: librdkafka asks for the leaders of
        a topic that it has not met by a timer of one second, too late for the first webhook there.
        """
        while not self._is_stopping.is_set():
            try:
                self._look_up(self._dead_letters)
                known = self._look_up(self._source)
                self._has_topic = known.error is None and all(
                    partition.leader >= 0 for partition in known.partitions.values()
                )
            except KafkaException:
                self._has_topic = False
            self._is_stopping.wait(_REACH_SECONDS)

    def _look_up(self, topic: str) -> TopicMetadata:
        return self._producer.list_topics(topic, timeout=_REACH_SECONDS).topics[topic]

    def _on_error(self, error: KafkaError) -> None:
        self._error_log(error)
        if error.fatal():
            self.failed.set()

    def _on_statistics(self, statistics: str) -> None:
        state = orjson.loads(statistics).get("eos", {}).get("idemp_state")
        self._has_producer_id = state == "Assigned"


class _ErrorLog:
    """librdkafka tells of every failed attempt to connect; one line in ten seconds is enough."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def __call__(self, error: KafkaError) -> None:
        now = time.monotonic()
        if now >= self._next.get(error.name(), 0.0):
            self._next[error.name()] = now + _TELL_EVERY_SECONDS
            log.warning("kafka_error", error=error.name())
