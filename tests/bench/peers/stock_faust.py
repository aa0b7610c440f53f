"""The job as an agent of Faust as it comes: at least once, as its documentation advises for speed.

uvloop; no tracing, no web server, no leader topic; raw bytes in and out; a large fetch; offsets
committed every 100 ms as everybody else's; sends are not waited for.
"""

from __future__ import annotations

import mode.loop

mode.loop.use("uvloop")

import tempfile  # noqa: E402  # the loop has to be chosen first
from typing import Any  # noqa: E402

import faust  # noqa: E402

from tests.bench.peers.job import LINGER_MS, encode, instance_of, names, read_state, work  # noqa: E402

RAW = {"key_serializer": "raw", "value_serializer": "raw"}


def main() -> None:
    given = names()
    app = faust.App(
        given.run,
        broker=[f"kafka://{server}" for server in given.bootstrap.split(",")],
        topic_partitions=given.partitions,
        **RAW,
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4_194_304,
        broker_commit_interval=given.commit_ms / 1000,
        stream_buffer_maxsize=16_384,
        stream_wait_empty=False,
        producer_acks=-1,
        producer_linger_ms=LINGER_MS,
        producer_max_batch_size=262_144,
        datadir=tempfile.mkdtemp(),
    )
    schema = faust.Schema(key_type=bytes, value_type=bytes, **RAW)
    checkouts = app.Table("checkouts", partitions=given.partitions, schema=schema)
    events, facts = app.topic(given.events), app.topic(given.facts)

    @app.agent(app.topic(given.source), name="job")  # type: ignore[untyped-decorator]  # Faust is untyped here
    async def job(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            state = checkouts.get(message.key)
            instance_id = instance_of(list(message.headers or ()))
            outcome = work(message.value, instance_id, None if state is None else read_state(state))
            checkouts[message.key] = encode(outcome.state)
            for value in outcome.events:
                await events.send(key=message.key, value=value)
            if outcome.fact is not None:
                await facts.send(key=instance_id.encode(), value=outcome.fact)

    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main()
