"""Measures how fast a table is restored from its changelog, and what it takes in memory.

    python -m tests.bench.restore [--states 200000] [--repeats 3] [--bytes 500] [--write]

A changelog is filled with states, then each contender starts with nothing, restores, and does the
job to one event of some of the checkouts: what it writes then shows that it had their states. Each
says itself how long it took, from its first look at the changelog to the last record.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson
from confluent_kafka import Producer

from streams.adapters.kafka import client_config, producer_config
from streams.adapters.reading import read_to_end
from streams.config import load_settings
from streams.demo.kafka import EmbeddedKafka
from streams.demo.kafka.broker import Jvm
from tests.bench.contest import Arena, Peer, started
from tests.bench.expected import canonical
from tests.bench.harness.positions import Positions
from tests.bench.harness.processes import Meter, cores, on_core, resident_bytes
from tests.bench.harness.report import Report
from tests.bench.harness.runs import Contender, Run, WrongRunError, in_turns
from tests.bench.peers.job import Names, State, encode, instance_of, work
from tests.bench.roster import KAFKA_STREAMS, OURS
from tests.bench.traffic import fill, traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.worker.records import Incoming
    from tests.bench.contest import Child

REPORT: Final = Report(
    name="restore",
    title="Restore of a table from its changelog",
    unit="records/s",
    each="record",
    about=(
        "One core, 8 partitions, states as bytes in memory. Both say themselves how long it took.",
    ),
    more={
        "start_seconds": "process start to ready, s",
        "beyond_bytes": "resident bytes a checkout beyond its encoded state",
    },
)
_CHECKED: Final = 200
_LIMIT_SECONDS: Final = 200


@dataclass(slots=True)
class Seeds:
    """States of checkouts: those that get an event, and those that are only there."""

    arena: Arena
    count: int
    size: int
    #: Keys and values in the changelog, as they were put there last.
    put_bytes: int = 0
    _records: list[Incoming] = field(default_factory=list)

    def __post_init__(self) -> None:
        seen: set[bytes | None] = set()
        for record in traffic(20 * _CHECKED):
            if record.key not in seen and len(seen) < _CHECKED:
                seen.add(record.key)
                self._records.append(record)

    def put(self, names: Names) -> dict[str, bytes]:
        """Fill changelog and source of a run; the states that must be there in the end."""
        producer = Producer(
            {**producer_config(self.arena.settings), "queue.buffering.max.messages": 200_000}
        )
        wanted, self.put_bytes = {}, 0
        for record in self._records:
            state = State((record.key or b"").decode(), sequence=0, events=3)
            self._produce(producer, names.changelog, record.key or b"", encode(state))
            outcome = work(record.value or b"", instance_of(record.headers), state)
            wanted[state.id] = canonical(orjson.loads(encode(outcome.state)))
        for key, value in self._others():
            self._produce(producer, names.changelog, key, value)
        if producer.flush(120):
            raise SystemExit("the changelog could not be filled")
        fill(producer_config(self.arena.settings), names.source, self._records)
        return wanted

    def _others(self) -> Iterator[tuple[bytes, bytes]]:
        for number in range(self.count - len(self._records)):
            key = str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number)))
            state = orjson.loads(encode(State(key, 4, amount="85.50", currency="EUR", events=4)))
            short = self.size - len(orjson.dumps(state)) - len(',"beside":""')
            state["beside"] = str(number).rjust(max(0, short), "x")
            yield key.encode(), orjson.dumps(state)

    def _produce(self, producer: Producer, topic: str, key: bytes, value: bytes) -> None:
        self.put_bytes += len(key) + len(value)
        while True:
            try:
                producer.produce(topic, value, key)
            except BufferError:
                producer.poll(0.1)
            else:
                return


def restore(seeds: Seeds, peer: Peer, broker: int, *, empty_bytes: float = 0.0) -> Run:
    """One restore, checked. ``empty_bytes``: what the process has resident with nothing restored.

    Raises:
        WrongRunError: it did not restore everything, or not what was there.
    """
    arena, run = seeds.arena, f"r{uuid.uuid4().hex[:8]}"
    source, events, facts = topics = [f"{run}-source", f"{run}-events", f"{run}-facts"]
    names = Names(
        bootstrap=arena.settings.bootstrap_servers,
        run=run,
        source=source,
        events=events,
        facts=facts,
        guarantee=peer.guarantee,
        partitions=arena.partitions,
        commit_ms=100,
    )
    arena.create({**{name: {} for name in topics}, names.changelog: {"cleanup.policy": "compact"}})
    wanted = seeds.put(names)
    load = os.getloadavg()[0]
    env = {"BENCH_RESTORE": str(seeds.count)}
    with (
        tempfile.TemporaryDirectory() as folder,
        Positions(client_config(arena.settings), run) as group,
    ):
        before, begun = Meter.read([], [broker]), time.monotonic()
        with started(peer, names, Path(folder), env) as child:
            said = _wait_for(child)
            ready_after = time.monotonic() - begun
            after = Meter.read([child.popen.pid], [broker])
            resident = resident_bytes(child.popen.pid)
            deadline = time.monotonic() + _LIMIT_SECONDS
            while group.committed(names.source) < _CHECKED:
                if time.monotonic() > deadline:
                    raise WrongRunError("it restored, but then it did not work")
                time.sleep(0.05)
    if said["records"] != seeds.count:
        raise WrongRunError(f"{said['records']} records restored of {seeds.count}")
    last: dict[str, bytes] = {}
    for message in read_to_end(client_config(arena.settings), names.changelog):
        state = orjson.loads(message.value() or b"{}")
        if state["id"] in wanted:
            last[state["id"]] = canonical(state)
    if last != wanted:
        raise WrongRunError("it went on with other states than were in the changelog")
    arena.forget([*topics, names.changelog])
    return Run(
        value=said["records"] / said["seconds"],
        cpu_microseconds=1e6 * (after.contender - before.contender) / seeds.count,
        resident_megabytes=resident / 1e6,
        others=after.others_since(before) / (ready_after * (os.cpu_count() or 1)),
        load_average=load,
        more={
            "start_seconds": ready_after,
            "beyond_bytes": (resident - empty_bytes - seeds.put_bytes) / seeds.count,
        },
    )


def _wait_for(child: Child) -> dict[str, float]:
    """What the contender says when it has restored."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while time.monotonic() < deadline:
        for line in child.log.read_text("utf-8", "replace").splitlines(keepends=True):
            if '"event": "restored"' in line and line.endswith("\n"):  # whole
                said: dict[str, float] = orjson.loads(line)
                return said
        if child.popen.poll() is not None:
            raise WrongRunError(f"it ended: {child.last_words()}")
        time.sleep(0.02)
    raise WrongRunError("it did not restore in time")


def main() -> int:
    """Run it and print the table; 1 if a run was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=200_000)
    parser.add_argument("--bytes", type=int, default=500, help="of a state")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="into docs/performance as well")
    arguments = parser.parse_args()
    with on_core(cores()[-1]), EmbeddedKafka(jvm=Jvm(1024, is_fast=True)) as kafka:
        settings = load_settings(bootstrap_servers=kafka.bootstrap_servers)
        arena = Arena(settings, [kafka.pid], events=0)
        seeds = Seeds(arena, arguments.states, arguments.bytes)
        few = Seeds(arena, 2 * _CHECKED, arguments.bytes)
        contenders = []
        for peer in (OURS, KAFKA_STREAMS):
            empty = 1e6 * restore(few, peer, kafka.pid).resident_megabytes
            contenders.append(
                Contender(
                    peer.name,
                    peer.note,
                    partial(restore, seeds, peer, kafka.pid, empty_bytes=empty),
                )
            )
        results = in_turns(contenders, arguments.repeats)
        print("\n".join(REPORT.table(results)))  # noqa: T201  # its output
        if arguments.write:
            REPORT.write(results)
    return 1 if any(result.refused for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
