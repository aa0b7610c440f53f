"""A tiny application for the runtime's tests: counts keys, one output an event.

Environment: RUN (names), SLOT, SLEEP (seconds inside an event), BUSY (seconds of the processor
inside an event), RAISE_AT (event number),
OUTSIDE (send outside an event), REBUILD (lost state, from the source),
FORGET (keys with an odd number at once).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from streams.runtime import RuntimeSettings, make_app, run

BOOTSTRAP, NAME = sys.argv[1], sys.argv[2]
PARTITIONS = 4
app = make_app(
    RuntimeSettings(
        client={"bootstrap.servers": BOOTSTRAP},
        group=f"{NAME}-group",
        slot=os.environ.get("SLOT"),
        partitions=PARTITIONS,
        session_timeout_ms=int(os.environ.get("SESSION_MS", "6000")),
        transaction_timeout_ms=int(os.environ.get("TRANSACTION_MS", "15000")),
        commit_interval_ms=int(os.environ.get("COMMIT_MS", "100")),
        rebuild_lost_state="REBUILD" in os.environ,
    )
)
source, output = app.topic(f"{NAME}-in"), app.topic(f"{NAME}-out")
counts = app.Table("counts", partitions=PARTITIONS)
SLEEP = float(os.environ.get("SLEEP", "0"))
BUSY = float(os.environ.get("BUSY", "0"))
FORGETS = "FORGET" in os.environ
RAISE_AT = int(os.environ.get("RAISE_AT", "0"))


@app.agent(source, name="count")  # type: ignore[untyped-decorator]  # Faust is untyped here
async def count(stream: Any) -> None:
    seen = 0
    async for event in stream.events():
        number = int(counts.get(event.key, b"0")) + 1
        counts[event.key] = b"%d" % number
        if FORGETS and int(event.key[1:]) % 2:
            del counts[event.key]
        if SLEEP:
            await asyncio.sleep(SLEEP)
        if BUSY:
            until = time.monotonic() + BUSY
            while time.monotonic() < until:
                pass
        message = event.message
        await output.send(
            key=event.key, value=b"%d:%d:%d" % (message.partition, message.offset, number)
        )
        seen += 1
        if seen == RAISE_AT:
            raise ValueError("planted-payload")


async def outside(stop: asyncio.Event) -> None:
    """Sends outside an event are refused."""
    if "OUTSIDE" in os.environ:
        try:
            await output.send(key=b"k", value=b"v")
        except RuntimeError as error:
            sys.stdout.write(f"REFUSED {error}\n")
            sys.stdout.flush()
    await stop.wait()


if __name__ == "__main__":
    sys.exit(run(app, beside=outside))
