"""How long the output stands still when something happens, partition by partition.

Examples:
  python -m tests.chaos.measure restart                  a worker with a slot is stopped and started
  python -m tests.chaos.measure kill --session 45
  python -m tests.chaos.measure coordinator --times 10   kill -9 of coordinators, on three brokers
  python -m tests.chaos.measure broker --times 10        kill -9 of the only broker
  python -m tests.chaos.measure roll                     rolling restart of three brokers
  python -m tests.chaos.measure zombie --times 30        stopped at three points, ten times each
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.adapters import topics
from tests.chaos.breaking import Breaker
from tests.chaos.installation import Installation, Service, direct
from tests.chaos.judge import Verdict, judge, table, wait_until_done
from tests.chaos.schedule import Fault, Step
from tests.chaos.traffic import Traffic
from tests.support.services import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PARTITIONS: Final = 8
_RATE: Final = 120.0
_WARM_SECONDS: Final = 8.0
_LONG_SECONDS: Final = 60.0
_COORDINATOR_DOWN_SECONDS: Final = 25.0
_SETTLE_SECONDS: Final = 12.0
_OFFSETS_PARTITIONS: Final = 4
_POINTS: Final = {
    "after_flush": "in mid-transaction",
    "before_commit": "between send_offsets and commit",
    "restore_reads": "during the restore",
}


class Watcher(threading.Thread):
    """Notes when records of the lifecycle topic become visible to a read_committed subscriber."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(daemon=True, name="watcher")
        self._consumer = Consumer(
            {
                **direct(installation.settings),
                "group.id": "watcher",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
            }
        )
        self.seen: dict[int, list[float]] = defaultdict(list)
        self.is_over = False

    def run(self) -> None:
        numbers = range(PARTITIONS)
        self._consumer.assign([TopicPartition(topics.EVENTS, number, 0) for number in numbers])
        while not self.is_over:
            for message in self._consumer.consume(500, 0.05):
                if message.error() is None:
                    self.seen[message.partition() or 0].append(time.monotonic())
        self._consumer.close()

    def gaps(self, since: float, until: float) -> dict[int, float]:
        """The longest time without a record in each partition."""
        found = {}
        for number in range(PARTITIONS):
            times = [since, *(at for at in self.seen[number] if since < at < until), until]
            found[number] = max(b - a for a, b in itertools.pairwise(times))
        return found

    def resumed_after(self, since: float) -> float | None:
        """Seconds until every partition had a record again; None: not yet."""
        firsts = []
        for number in range(PARTITIONS):
            # What was under way when it happened says nothing.
            later = [at for at in self.seen[number] if at > since + 0.5]
            if not later:
                return None
            firsts.append(_after_longest_gap([since, *later]))
        return max(firsts) - since


@dataclass
class Event:
    """One time that it happened. Gaps in seconds, by partition."""

    what: str
    gaps: dict[int, float]
    touched: frozenset[int]
    resumed_seconds: float | None
    exits: Counter[str]

    def row(self) -> tuple[str, str]:
        own = [gap for number, gap in self.gaps.items() if number in self.touched]
        others = [gap for number, gap in self.gaps.items() if number not in self.touched]
        resumed = "-" if self.resumed_seconds is None else f"{self.resumed_seconds:.1f} s"
        return self.what, (
            f"gap of its partitions {max(own, default=0):.1f} s, of the others "
            f"{max(others, default=0):.1f} s; all resumed after {resumed}; "
            f"exits {dict(self.exits) or 'none'}"
        )


class Measurement:
    """One scenario, so many times, on one installation under steady traffic."""

    def __init__(self, installation: Installation, watcher: Watcher, times: int) -> None:
        self.installation = installation
        self.watcher = watcher
        self.times = times
        self.events: list[Event] = []
        self._breaker = Breaker(installation, lambda _text: None)

    def restart(self) -> None:
        """SIGTERM of a worker with a slot; it comes back."""
        for number in range(self.times):
            worker = self.installation.worker(number)
            self._note("restart", lambda worker=worker: _signal(worker, signal.SIGTERM), worker)  # type: ignore[misc]  # bound now

    def kill(self) -> None:
        """kill -9 of a worker with a slot and of its supervisor; it comes back."""
        for number in range(self.times):
            worker = self.installation.worker(number)
            self._note("kill -9", lambda worker=worker: _kill(worker), worker)  # type: ignore[misc]  # bound now

    def takeover(self) -> None:
        """kill -9 of a worker that does not come back; then it joins again."""
        for number in range(self.times):
            worker = self.installation.worker(number)
            with worker.lock:
                worker.is_wanted = False
            self._note("kill -9, stays away", lambda worker=worker: _kill(worker), worker)  # type: ignore[misc]  # bound now
            self._note("joins again", lambda worker=worker: _want(worker), worker)  # type: ignore[misc]  # bound now

    def join(self) -> None:
        """A worker without a slot joins, and leaves by SIGTERM."""
        for number in range(self.times):
            joined: list[Service] = []

            def come(number: int = number, joined: list[Service] = joined) -> None:
                joined.append(self.installation.new_worker(f"joined-{number}", slot=None))

            def leave(joined: list[Service] = joined) -> None:
                self.installation.end(joined.pop())

            self._note("join", come, None)
            self._note("leave", leave, None)

    def coordinator(self) -> None:
        """kill -9 of the broker that coordinates the group, or a worker's transactions."""
        for number in range(self.times):
            key, topic = (
                (topics.GROUP, "__consumer_offsets")
                if number % 2 == 0
                else (f"{topics.GROUP}-{number // 2 % 2}", "__transaction_state")
            )
            leader = self._leader(topic, java_hash(key) % _OFFSETS_PARTITIONS)
            broker = next(b for b in self.installation.cluster.brokers if b.node.number == leader)
            what = f"kill -9 of {'group' if number % 2 == 0 else 'transaction'} coordinator"
            self._note(what, broker.kill, None, seconds=_COORDINATOR_DOWN_SECONDS)
            self._breaker._bring_back(broker)  # noqa: SLF001  # the same package
            time.sleep(_SETTLE_SECONDS)

    def broker(self) -> None:
        """kill -9 of the only broker; the time counts from its return."""
        [broker] = self.installation.cluster.brokers
        for number in range(self.times):
            broker.kill()
            time.sleep((2, 8, 14)[number % 3])
            self._note("kill -9 of the broker", broker.start, None, seconds=35)
            broker.wait_until_ready()

    def roll(self) -> None:
        """A rolling restart of all brokers."""
        for _ in range(self.times):
            step = Step(0, Fault.ROLL_BROKERS, 0, 0)
            self._note(
                "rolling restart",
                lambda step=step: self._breaker._roll_brokers(step),  # type: ignore[misc]  # noqa: SLF001
                None,
            )

    def zombie(self) -> None:
        """Stopped until its partitions have moved, at three points in turn; then it wakes up."""
        for number in range(self.times):
            point = ("after_flush", "before_commit", "restore_reads")[number % 3]
            fault = Fault.STOP_IN_RESTORE if number % 3 == 2 else Fault.STOP_IN_COMMIT
            step = Step(0, fault, number // 3, 14.0, point)
            self._note(
                f"stopped {_POINTS[point]}",
                lambda step=step: self._breaker._strike(step),  # type: ignore[misc]  # noqa: SLF001
                None,
            )
        struck = Counter(fault.name for fault in self._breaker.struck)
        _tell(f"stopped at their point: {dict(struck)}")

    def _note(
        self, what: str, act: Callable[[], object], worker: Service | None, *, seconds: float = 0
    ) -> None:
        before = self.installation.exits()
        touched = frozenset() if worker is None else self._partitions_of(worker)
        since = time.monotonic()
        act()
        acted = time.monotonic()
        limit = acted + _LONG_SECONDS
        while (resumed := self.watcher.resumed_after(acted)) is None and time.monotonic() < limit:
            time.sleep(0.2)
        time.sleep(max(_SETTLE_SECONDS, acted + seconds - time.monotonic()))
        until = time.monotonic()
        gaps = self.watcher.gaps(since, until)
        resumed = self.watcher.resumed_after(acted)
        exits = self.installation.exits() - before
        event = Event(what, gaps, touched or frozenset(range(PARTITIONS)), resumed, exits)
        self.events.append(event)
        sys.stderr.write("{}: {}\n".format(*event.row()))

    def _leader(self, topic: str, number: int) -> int:
        while True:
            try:
                known = AdminClient(direct(self.installation.settings)).list_topics(timeout=5)
                return int(known.topics[topic].partitions[number].leader)
            except (KafkaException, KeyError):
                time.sleep(0.5)

    def _partitions_of(self, worker: Service) -> frozenset[int]:
        """What the worker was given last, by its log."""
        found: frozenset[int] = frozenset()
        for line in worker.log.read_text("utf-8", "replace").splitlines():
            if '"assigned"' in line:
                found = frozenset(number for _, number in json.loads(line)["partitions"])
        return found


def java_hash(text: str) -> int:
    """How Kafka chooses a coordinator's partition: Java's hash of the key, without its sign."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF if value < 1 << 31 else (value - (1 << 32)) & 0x7FFFFFFF


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing was lost, repeated or wrong."""
    parser = argparse.ArgumentParser(
        "python -m tests.chaos.measure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scenarios = ("restart", "kill", "takeover", "join", "coordinator", "broker", "roll", "zombie")
    parser.add_argument("scenario", choices=scenarios)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--session", type=int, default=10, help="session timeout in seconds")
    given = parser.parse_args(arguments)
    brokers = 3 if given.scenario in {"coordinator", "roll"} else 1
    verdict = Verdict()
    with Installation(brokers=brokers, workers=2, session_ms=1000 * given.session) as installation:
        for service in installation.workers:
            wait_until(service.is_ready, _LONG_SECONDS, lambda: "a worker does not start")
        watcher = Watcher(installation)
        watcher.start()
        traffic = Traffic(installation.ingress_url, installation.signer, seed=1, rate=_RATE)
        traffic.start()
        time.sleep(_WARM_SECONDS)
        measurement = Measurement(installation, watcher, given.times)
        getattr(measurement, given.scenario)()
        traffic.stop()
        wait_until_done(installation, verdict)
        watcher.is_over = True
        watcher.join()
        for service in installation.workers:
            installation.end(service)
        judge(installation, traffic.accepted, verdict, is_stock=False)
    table([event.row() for event in measurement.events], tell=_tell)
    _tell(
        f"lost {verdict.lost}, repeated {verdict.repeated}, wrong {verdict.wrong}, hung "
        f"{verdict.hung}; {verdict.counts.get('source records')} source records; "
        f"answers {traffic.answers}"
    )
    for text in verdict.differences[:10]:
        _tell(f"  - {text}")
    return 0 if verdict.is_right else 1


def _after_longest_gap(times: Sequence[float]) -> float:
    return max(itertools.pairwise(times), key=lambda pair: pair[1] - pair[0])[1]


def _signal(worker: Service, number: signal.Signals) -> None:
    if worker.child is not None:
        worker.child.signal(number)


def _kill(worker: Service) -> None:
    for_sure = worker.child
    if for_sure is not None:
        for_sure.signal(signal.SIGKILL)


def _want(worker: Service) -> None:
    with worker.lock:
        worker.is_wanted = True


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
