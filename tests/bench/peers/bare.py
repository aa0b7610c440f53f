"""The job in a bare loop over librdkafka: the limit of what Python with it can do.

It restores nothing, survives nothing, and stops at any rebalance. Its states are objects in a
dictionary, where every framework keeps bytes.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from tests.bench.peers.job import LINGER_MS, Outcome, State, encode, instance_of, names, work

Work = Callable[[bytes, str, State | None], Outcome]
_BATCH: Final = 1000
_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  # librdkafka's public code


def main(work: Work = work) -> None:  # noqa: C901, PLR0912  # a bare loop is one function
    given = names()
    gc.disable()  # nothing here makes cycles, and the states are many
    consumer = Consumer(
        {
            "bootstrap.servers": given.bootstrap,
            "group.id": given.run,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "range",
            "check.crcs": False,
            "queued.max.messages.kbytes": 32_768,
            "fetch.queue.backoff.ms": 5,
            "log_level": 3,
        }
    )
    config: dict[str, str | int | float | bool] = {
        "bootstrap.servers": given.bootstrap,
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": LINGER_MS,
        "delivery.report.only.error": True,
        "queue.buffering.max.messages": 500_000,
        "log_level": 3,
    }
    if given.is_exactly_once:
        config["transactional.id"] = given.run
    producer = Producer({**config, "on_delivery": _failed})
    if given.is_exactly_once:
        producer.init_transactions(60)
        producer.begin_transaction()
    consumer.subscribe([given.source])
    states: dict[bytes, State] = {}
    positions: dict[int, int] = {}
    committed_at = time.monotonic()
    produce = producer.produce
    while True:
        messages = consumer.consume(_BATCH, 0)
        if not messages:
            message = consumer.poll(0.05)
            messages = [] if message is None else [message]
        for message in messages:
            if message.error() is not None:
                if message.error().code() != _EOF:
                    sys.exit(message.error().str())
                continue
            key, partition = message.key(), message.partition()
            instance_id = instance_of(message.headers())
            outcome = work(message.value(), instance_id, states.get(key))
            states[key] = outcome.state
            produce(given.changelog, encode(outcome.state), key, partition)
            for value in outcome.events:
                produce(given.events, value, key)
            if outcome.fact is not None:
                produce(given.facts, outcome.fact, instance_id)
            positions[partition] = message.offset() + 1
        producer.poll(0)
        now = time.monotonic()
        if positions and now - committed_at >= given.commit_ms / 1000:
            committed_at = now
            offsets = [TopicPartition(given.source, *item) for item in positions.items()]
            positions.clear()
            if producer.flush(60):
                sys.exit("not everything was delivered")
            if given.is_exactly_once:
                producer.send_offsets_to_transaction(
                    offsets, consumer.consumer_group_metadata(), 60
                )
                producer.commit_transaction(60)
                producer.begin_transaction()
            else:
                consumer.commit(offsets=offsets, asynchronous=False)


def _failed(error: KafkaError | None, _message: object) -> None:
    if error is not None:
        sys.stderr.write(f"{error.str()}\n")
        os._exit(1)


if __name__ == "__main__":
    main()
