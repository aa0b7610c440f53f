"""Applications without a broker: what librdkafka would do is decided by the test."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from streams.runtime import RuntimeSettings, make_app
from streams.runtime.delivery import Batch, ReachedEnd
from streams.runtime.fetching import ConsumerThread
from streams.runtime.producer import TransactionalProducer
from streams.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.runtime import RuntimeApp

GENERATION = 7
METADATA = b"CGMDv2:" + struct.pack("=i", GENERATION) + b"g\0member\0\1"


class Librdkafka:
    """A producer whose queue has ``room``, and that raises what stands in ``errors``, once each."""

    def __init__(self) -> None:
        self.room = 1_000_000
        self.produced: list[tuple[Any, ...]] = []
        self.calls: list[str] = []
        self.errors: dict[str, list[Exception]] = {}
        self.offsets: list[Any] = []
        self.unflushed = 0

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.errors.get(name):
            raise self.errors[name].pop(0)

    def produce(self, *record: Any) -> None:
        if self.errors.get("produce"):
            raise self.errors["produce"].pop(0)
        if not self.room:
            raise BufferError
        self.room -= 1
        self.produced.append(record)

    def poll(self, _seconds: float) -> int:
        if self.errors.get("poll"):
            raise self.errors["poll"].pop(0)
        return 0

    def flush(self, _seconds: float) -> int:
        self._called("flush")
        self.unflushed = max(0, self.unflushed - 1)
        return self.unflushed

    def send_offsets_to_transaction(self, offsets: Any, metadata: object, _limit: float) -> None:
        self._called("send_offsets")
        assert metadata == METADATA
        self.offsets = offsets

    def commit_transaction(self, _limit: float) -> None:
        self._called("commit")

    def begin_transaction(self) -> None:
        self._called("begin")

    def abort_transaction(self, _limit: float) -> None:
        self._called("abort")


class OnStandIn(TransactionalProducer):
    """The runtime's producer, on a stand-in."""

    def __init__(self, app: RuntimeApp) -> None:
        super().__init__(app.transport)
        self._stand_in = Librdkafka()

    @property
    def librdkafka(self) -> Librdkafka:
        return self._stand_in


def an_app(**settings: Any) -> RuntimeApp:
    """An application that is not started; its producer is on a stand-in."""
    app = make_app(RuntimeSettings(client={}, group="g", **settings))
    app.watchdog = Watchdog()
    app.producer = OnStandIn(app)
    return app


def failure(
    code: int, *, retriable: bool = False, aborts: bool = False, fatal: bool = False
) -> KafkaException:
    """An error as librdkafka gives it."""
    return KafkaException(KafkaError(code, "planted", fatal, retriable, aborts))


class Raw(NamedTuple):
    """A record as librdkafka gives it, as far as the runtime asks."""

    number: int
    at: int
    content: tuple[bytes | None, bytes | None] = (b"k", b"v")
    pairs: list[tuple[str, bytes | None]] | None = None

    def error(self) -> None:
        """A record is no error."""

    def topic(self) -> str:
        return "in"

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.content[0]

    def value(self) -> bytes | None:
        return self.content[1]

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.pairs

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_700_000_000_000


def deliver(
    app: RuntimeApp,
    offsets: Iterable[int],
    *,
    topic: str = "in",
    end: int | None = None,
    epoch: int | None = None,
) -> None:
    """Records of partition 0, as the consumer's thread hands them over."""
    messages = [Raw(0, at, (b"k", b"%d" % at)) for at in offsets]
    ends = [] if end is None else [ReachedEnd(0, end)]
    app.consumer.deliver(
        topic, Batch(app.consumer.epoch if epoch is None else epoch, messages, ends)
    )


class Failed(NamedTuple):
    """What librdkafka gives instead of a record."""

    planted: KafkaException

    def error(self) -> Any:
        return self.planted.args[0]


async def hand_over(app: RuntimeApp, *fetched: Any) -> None:
    """Go through what was fetched, as the consumer's thread does."""
    thread = ConsumerThread(app.consumer, ["in"], asyncio.get_running_loop())
    thread._hand_over(app.consumer.epoch, list(fetched))  # noqa: SLF001  # the thread is not started
    await asyncio.sleep(0.01)
