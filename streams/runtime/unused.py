"""The part of Faust's consumer interface that this runtime has no use for.

Faust's fetcher, acks, seeks and recovery never run, so these do nothing, or fail loudly.
"""

from __future__ import annotations

from typing import Any

from faust.transport.consumer import Consumer as FaustConsumer
from faust.types.tuples import TP


class UnusedInterface(FaustConsumer):  # type: ignore[misc]  # Faust is untyped here
    """A Faust consumer without its machinery."""

    def ack(self, _message: object) -> bool:
        """Positions are kept by the stream."""
        return True

    async def wait_empty(self) -> None:
        """The revoke callback has its own waiting."""

    async def perform_seek(self) -> None:
        """There is no seek: assignments carry their offsets."""

    async def seek_to_committed(self) -> dict[TP, int]:
        """There is no seek."""
        return {}

    def key_partition(self, _topic: str, _key: bytes | None, partition: int | None = None) -> Any:  # noqa: ANN401  # Faust's signature
        """Librdkafka chooses the partition."""
        return partition

    async def create_topic(self, *_args: object, **_kwargs: object) -> None:
        """Topics are made by an administrator, never by a worker."""
        raise RuntimeError("the runtime makes no topics; create them before it starts")

    async def earliest_offsets(self, *_tps: TP) -> dict[TP, int]:
        """Faust's recovery never runs."""
        return {}

    async def highwaters(self, *_tps: TP) -> dict[TP, int]:
        """Faust's recovery never runs."""
        return {}

    def highwater(self, _tp: TP) -> int:
        """Faust's monitor has no use for it here."""
        return 0

    def verify_event_path(self, _now: float, _tp: TP) -> None:
        """Faust's livelock detector has nothing to look at."""

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def _drain_messages(self, _fetcher: object) -> None:
        """Faust's fetcher never fetches."""

    async def _seek(self, _tp: TP, _offset: int) -> None:
        raise RuntimeError("there is no seek")

    async def seek_wait(self, _partitions: object) -> None:
        """There is no seek."""
        raise RuntimeError("there is no seek")

    async def _commit(self, _offsets: object) -> bool:
        raise RuntimeError("only the committer commits")

    async def _getmany(self, *_args: object, **_kwargs: object) -> None:
        raise RuntimeError("Faust's fetcher never fetches")

    def _to_message(self, _tp: TP, _record: object) -> None:
        raise RuntimeError("Faust's fetcher never fetches")
