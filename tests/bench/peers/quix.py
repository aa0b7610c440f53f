"""The job in Quix Streams, with its own state store (RocksDB) and changelog."""

from __future__ import annotations

import tempfile
from typing import Any

from quixstreams import Application
from quixstreams.models.serializers import Serializer

from tests.bench.peers.job import LINGER_MS, Outcome, encode, instance_of, names, read_state, work


class FactSerializer(Serializer):  # type: ignore[misc]  # Quix is not installed beside the types
    """The fact of an outcome; its key is made of the same value, so it comes here whole."""

    def __call__(self, value: Any, ctx: object) -> bytes:
        del ctx
        fact: bytes = value[1].fact
        return fact


def main() -> None:
    given = names()
    app = Application(
        broker_address=given.bootstrap,
        consumer_group=given.run,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once" if given.is_exactly_once else "at-least-once",
        commit_interval=given.commit_ms / 1000,
        state_dir=tempfile.mkdtemp(),
        loglevel="WARNING",
        consumer_extra_config={"fetch.queue.backoff.ms": 5, "check.crcs": False},
        producer_extra_config={
            "linger.ms": LINGER_MS,
            "compression.type": "lz4",
            "acks": "all",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 500_000,
        },
    )
    source = app.topic(given.source, key_deserializer="bytes", value_deserializer="bytes")
    events = app.topic(given.events, key_serializer="bytes", value_serializer="bytes")
    facts = app.topic(given.facts, key_serializer="bytes", value_serializer=FactSerializer())

    def process(
        value: bytes, key: bytes, _timestamp: int, headers: Any, state: Any
    ) -> tuple[str, Outcome]:
        del key
        before = state.get_bytes("checkout")
        instance_id = instance_of(headers)
        outcome = work(value, instance_id, None if before is None else read_state(before))
        state.set_bytes("checkout", encode(outcome.state))
        return instance_id, outcome

    done = app.dataframe(source).apply(process, stateful=True, metadata=True)
    done = done.set_headers(lambda *_: [])
    done.apply(lambda pair: pair[1].events, expand=True).to_topic(events)
    done.filter(lambda pair: pair[1].fact is not None).to_topic(
        facts, key=lambda pair: pair[0].encode()
    )
    app.run()


if __name__ == "__main__":
    main()
