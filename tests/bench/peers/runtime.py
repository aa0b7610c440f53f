"""The job as a Faust agent on ``streams.runtime``: exactly once, everything switched on."""

from __future__ import annotations

import sys
from typing import Any

import structlog

from streams.runtime import RuntimeSettings, make_app, run
from tests.bench.peers.job import encode, instance_of, names, read_state, work

structlog.configure(processors=[structlog.processors.JSONRenderer()])
given = names()
app = make_app(
    RuntimeSettings(
        client={"bootstrap.servers": given.bootstrap, "log_level": 3},
        group=given.run,
        slot="0",
        partitions=given.partitions,
        commit_interval_ms=given.commit_ms,
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
