"""Makes a transaction hang, as late requests and lost disks do: open in a partition, and nowhere.

The broker must not ask the coordinator whether a record's transaction is known
(``transaction.partition.verification.enable=false``); then a record that belongs to none is taken.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

if TYPE_CHECKING:
    from collections.abc import Collection

NO_VERIFICATION = {"transaction.partition.verification.enable": "false"}


async def hang(
    bootstrap_servers: str, transactional_id: str, partitions: Collection[tuple[str, int]]
) -> None:
    """Leave a record in each, of a transaction that its coordinator does not know."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, transactional_id=transactional_id
    )
    await producer.start()
    try:
        manager = producer._txn_manager  # noqa: SLF001  # nothing public does such a thing
        await manager.wait_for_pid()
        for topic, number in partitions:
            batch = DefaultRecordBatchBuilder(
                magic=2,
                compression_type=0,
                is_transactional=1,
                producer_id=manager.producer_id,
                producer_epoch=manager.producer_epoch,
                base_sequence=0,
                batch_size=10_000,
            )
            batch.append(
                0,
                timestamp=int(1000 * datetime.now(UTC).timestamp()),
                key=b"k1",
                value=b"999",
                headers=[],
            )
            request = ProduceRequest(
                transactional_id, -1, 10_000, [(topic, [(number, bytes(batch.build()))])]
            )
            await producer.client.force_metadata_update()
            leader = producer.client.cluster.leader_for_partition(TopicPartition(topic, number))
            answer = await producer.client.send(leader, request)
            [(_, [(_, error, *_)])] = answer.topics
            assert error == 0, f"Kafka's error {error}"
    finally:
        await producer.stop()
