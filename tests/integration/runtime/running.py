"""Workers of the counting application on topics of their own, and the check of what they did."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from streams.adapters.cluster import Cluster
from streams.config import load_settings
from tests.support.services import read_all, wait_until

if TYPE_CHECKING:
    from streams.runtime.extents import Note

APPLICATION = Path(__file__).with_name("counting.py")
PARTITIONS = 4
KEYS = 100


class Logs:
    """What the workers of a run wrote, each into a file of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._paths: list[Path] = []

    def add(self) -> Path:
        """The file of one more worker."""
        self._paths.append(self._directory / f"worker-{len(self._paths)}.log")
        return self._paths[-1]

    def read_text(self) -> str:
        """All of them, worker by worker in the order of their starts."""
        return "".join(path.read_text() for path in self._paths)


class Run:
    """Topics, workers and the check of one test."""

    def __init__(
        self,
        bootstrap_servers: str,
        directory: Path,
        *,
        makes_changelog: bool = True,
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.name = f"r{uuid.uuid4().hex[:8]}"
        self.log = Logs(directory)
        self.workers: dict[subprocess.Popen[bytes], Path] = {}
        self.settings = load_settings(bootstrap_servers=bootstrap_servers)
        self._cluster = Cluster(self.settings)
        self.admin = self._cluster.admin
        self.source, self.output = f"{self.name}-in", f"{self.name}-out"
        self.changelog = f"{self.name}-group-counts-changelog"
        self.create(self.source, self.output, *([self.changelog] if makes_changelog else []))
        self.sent = 0

    def create(
        self, *names: str, partitions: int = PARTITIONS, config: dict[str, str] | None = None
    ) -> None:
        """They are new, and every broker knows them."""
        topics = [NewTopic(name, partitions, 1, config=config or {}) for name in names]
        assert not self._cluster.create(topics)

    def feed(self, count: int, *, seconds: float = 0) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
            }
        )
        for number in range(self.sent, self.sent + count):
            producer.produce(self.source, b"x%d" % number, b"k%d" % (number % KEYS))
            producer.poll(0)
            if seconds:
                time.sleep(seconds / count)
        producer.flush()
        self.sent += count

    def start(self, slot: str | None = None, **env: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **env, **({"SLOT": slot} if slot else {})}
        log = self.log.add()
        with log.open("ab") as output:
            worker = subprocess.Popen(
                [sys.executable, str(APPLICATION), self.bootstrap_servers, self.name],
                env=environment,
                stdout=output,
                stderr=output,
            )
        self.workers[worker] = log
        return worker

    def restores(self, worker: subprocess.Popen[bytes]) -> list[tuple[int, int]]:
        """Stores that were still there, and records that were read, in each restore of a worker."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.workers[worker].read_text())
        found = re.findall(r"restored\W.*?kept=(\d+).*?records=(\d+)", plain)
        return [(int(kept), int(records)) for kept, records in found]

    def lag(self) -> int:
        reader = Consumer(
            {"bootstrap.servers": self.bootstrap_servers, "group.id": f"{self.name}-group"}
        )
        partitions = [TopicPartition(self.source, n) for n in range(PARTITIONS)]
        try:
            behind = 0
            for item in reader.committed(partitions, 5):
                _, high = reader.get_watermark_offsets(item, 5)
                behind += high - max(0, item.offset)
        except KafkaException:  # offsets of an open transaction are not stable yet
            return self.sent
        else:
            return behind
        finally:
            reader.close()

    def commit_offset(self, number: int, offset: int, note: Note) -> None:
        """As if the group had committed this source position."""
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap_servers, "group.id": f"{self.name}-group"}
        )
        position = TopicPartition(self.source, number, offset, note.encode())
        consumer.commit(offsets=[position], asynchronous=False)
        consumer.close()

    def outputs(self) -> int:
        return len(read_all(self.settings, self.output))

    def changes(self) -> int:
        """Records of the changelog so far."""
        return len(read_all(self.settings, self.changelog))

    def changelog_end(self) -> int:
        """Records that the changelog has ever had."""
        reader = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": "end"})
        try:
            partitions = [TopicPartition(self.changelog, n) for n in range(PARTITIONS)]
            return sum(reader.get_watermark_offsets(item, 10)[1] for item in partitions)
        finally:
            reader.close()

    def stop(self) -> None:
        """End all workers, frozen ones too."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait()

    def state(self) -> dict[bytes | None, int]:
        """The table as its changelog says."""
        found: dict[bytes | None, int] = {}
        for message in read_all(self.settings, self.changelog):
            if message.value() is None:
                found.pop(message.key(), None)
            else:
                found[message.key()] = int(message.value() or 0)
        return found

    def wait(self, seconds: float = 60) -> None:
        wait_until(lambda: self.lag() == 0, seconds, self.log.read_text)

    def check(self) -> None:
        """State, outputs and their order are those of a plain recomputation."""
        wanted = Counter(message.key() for message in read_all(self.settings, self.source))
        assert self.state() == dict(wanted)
        sequence = self.check_places()
        assert all(sequence[key] == list(range(1, n + 1)) for key, n in wanted.items())

    def check_places(self) -> dict[bytes | None, list[int]]:
        """Every source record has one output; returns the numbers by key."""
        sequence = defaultdict(list)
        places: Counter[tuple[int, int]] = Counter()
        for message in read_all(self.settings, self.output):
            partition, offset, number = map(int, (message.value() or b"").split(b":"))
            places[partition, offset] += 1
            sequence[message.key()].append(number)
        source = {(m.partition(), m.offset()) for m in read_all(self.settings, self.source)}
        assert set(places) == source, "lost or invented"
        assert max(places.values()) == 1, "repeated"
        return sequence
