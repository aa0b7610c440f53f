"""The job as a Faust agent on ``streams.runtime``: exactly once, everything switched on.

Or at least once, which the product has not: then the same runtime stands on a producer whose
transactions do nothing and on the consumer's own commits.
"""

from __future__ import annotations

import sys
from typing import Any

import confluent_kafka
import structlog
from confluent_kafka import Consumer, Producer, TopicPartition

from streams.runtime import RuntimeSettings, make_app, run
from tests.bench.peers.job import LINGER_MS, encode, instance_of, names, read_state, work

structlog.configure(processors=[structlog.processors.JSONRenderer()])
given = names()


class _Member(Consumer):  # type: ignore[misc]  # untyped
    """The group's member, where ``_WithoutTransactions`` finds it."""

    current: _Member

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        _Member.current = self


class _WithoutTransactions(Producer):  # type: ignore[misc]  # untyped
    """An idempotent producer in the place of a transactional one."""

    def __init__(self, config: dict[str, Any]) -> None:
        transactional = ("transactional.id", "transaction.timeout.ms")
        super().__init__({name: config[name] for name in config if name not in transactional})

    def init_transactions(self, *_seconds: float) -> None:
        pass

    def begin_transaction(self) -> None:
        pass

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], *_group_and_seconds: object
    ) -> None:
        _Member.current.commit(offsets=positions, asynchronous=False)

    def commit_transaction(self, *_seconds: float) -> None:
        pass


if not given.is_exactly_once:
    # before the runtime makes its clients; it looks both up in this module
    confluent_kafka.Producer, confluent_kafka.Consumer = _WithoutTransactions, _Member
app = make_app(
    RuntimeSettings(
        client={"bootstrap.servers": given.bootstrap, "log_level": 3},
        group=given.run,
        slot="0",
        partitions=given.partitions,
        commit_interval_ms=given.commit_ms,
        linger_ms=LINGER_MS,
    )
)
source = app.topic(given.source)
events, facts = app.topic(given.events), app.topic(given.facts)
checkouts = app.Table("checkouts", partitions=given.partitions)


@app.agent(source, name="job")  # type: ignore[untyped-decorator]  # Faust is untyped here
async def job(stream: Any) -> None:
    async for event in stream.events():
        state = checkouts.get(event.key)
        instance_id = instance_of(event.headers)
        outcome = work(event.value, instance_id, None if state is None else read_state(state))
        checkouts[event.key] = encode(outcome.state)
        for value in outcome.events:
            await events.send(key=event.key, value=value)
        if outcome.fact is not None:
            await facts.send(key=instance_id.encode(), value=outcome.fact)


if __name__ == "__main__":
    sys.exit(run(app))
