"""Kill, pause, join and leave: state and outputs end as a plain recomputation says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.config import load_settings
from streams.runtime import ExitCode, RuntimeSettings, make_app
from streams.runtime.selfcheck import TESTED, unsupported_versions
from tests.support.services import read_all, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kafka

APPLICATION = Path(__file__).with_name("counting.py")
PARTITIONS = 4
KEYS = 100


class Run:
    """Topics, workers and the check of one test."""

    def __init__(self, bootstrap_servers: str, directory: Path) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.name = f"r{uuid.uuid4().hex[:8]}"
        self.log = directory / "workers.log"
        self.workers: list[subprocess.Popen[bytes]] = []
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        names = (f"{self.name}-in", f"{self.name}-out", f"{self.name}-group-counts-changelog")
        for future in admin.create_topics([NewTopic(n, PARTITIONS, 1) for n in names]).values():
            future.result()
        self.sent = 0

    def feed(self, count: int, *, seconds: float = 0) -> None:
        producer = Producer(
            {"bootstrap.servers": self.bootstrap_servers, "partitioner": "murmur2_random"}
        )
        for number in range(self.sent, self.sent + count):
            producer.produce(f"{self.name}-in", b"x%d" % number, b"k%d" % (number % KEYS))
            producer.poll(0)
            if seconds:
                time.sleep(seconds / count)
        producer.flush()
        self.sent += count

    def start(self, slot: str | None = None, **env: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **env, **({"SLOT": slot} if slot else {})}
        with self.log.open("ab") as output:
            worker = subprocess.Popen(
                [sys.executable, str(APPLICATION), self.bootstrap_servers, self.name],
                env=environment,
                stdout=output,
                stderr=output,
            )
        self.workers.append(worker)
        return worker

    def lag(self) -> int:
        reader = Consumer(
            {"bootstrap.servers": self.bootstrap_servers, "group.id": f"{self.name}-group"}
        )
        partitions = [TopicPartition(f"{self.name}-in", n) for n in range(PARTITIONS)]
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

    def outputs(self) -> int:
        settings = load_settings(bootstrap_servers=self.bootstrap_servers)
        return len(read_all(settings, f"{self.name}-out"))

    def wait(self, seconds: float = 60) -> None:
        wait_until(lambda: self.lag() == 0, seconds, self.log.read_text)

    def check(self) -> None:
        settings = load_settings(bootstrap_servers=self.bootstrap_servers)
        source = read_all(settings, f"{self.name}-in")
        wanted = Counter(message.key() for message in source)
        state = {
            message.key(): int(message.value() or 0)
            for message in read_all(settings, f"{self.name}-group-counts-changelog")
        }
        assert state == dict(wanted)
        sequence = defaultdict(list)
        places: Counter[tuple[int, int]] = Counter()
        for message in read_all(settings, f"{self.name}-out"):
            partition, offset, number = map(int, (message.value() or b"").split(b":"))
            places[partition, offset] += 1
            sequence[message.key()].append(number)
        assert set(places) == {(m.partition(), m.offset()) for m in source}, "lost or invented"
        assert max(places.values()) == 1, "repeated"
        assert all(sequence[key] == list(range(1, n + 1)) for key, n in wanted.items())


@pytest.fixture
def running(bootstrap_servers: str, tmp_path: Path) -> Iterator[Run]:
    found = Run(bootstrap_servers, tmp_path)
    yield found
    for worker in found.workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGCONT)
            worker.kill()
        worker.wait()


def test_kills_joins_and_leaves_lose_and_repeat_nothing(running: Run) -> None:
    running.start("a", SLEEP="0.001")
    second = running.start("b", SLEEP="0.001")
    running.feed(3000)
    wait_until(lambda: running.outputs() > 200, 60, running.log.read_text)
    second.kill()
    second.wait()
    running.start("b", SLEEP="0.001")
    running.feed(2000)
    restored = running.log.read_text().count("restored")
    third = running.start(None, SLEEP="0.001")
    wait_until(lambda: running.log.read_text().count("restored") >= restored + 3, 30)
    third.terminate()
    assert third.wait(10) == ExitCode.OK
    running.feed(1000)
    running.wait()
    running.check()


def test_a_paused_worker_that_wakes_up_overwrites_nothing(running: Run) -> None:
    zombie = running.start(None, SLEEP="0.002")
    running.feed(2000)
    wait_until(lambda: running.outputs() > 100, 60, running.log.read_text)
    zombie.send_signal(signal.SIGSTOP)
    running.start(None)
    running.feed(500)
    running.wait()
    zombie.send_signal(signal.SIGCONT)
    assert ExitCode(zombie.wait(40)).is_transient
    running.check()


def test_a_worker_stopped_between_offsets_and_commit_is_fenced(
    running: Run, tmp_path: Path
) -> None:
    fault = tmp_path / "fault"
    zombie = running.start(None, STREAMS_RUNTIME_FAULTS=f"before_commit={fault}")
    running.feed(300)
    running.wait()
    fault.write_text("SIGSTOP")
    running.feed(300)
    wait_until(lambda: not fault.exists(), 20)
    running.start(None)
    running.wait(90)
    zombie.send_signal(signal.SIGCONT)
    assert zombie.wait(60) != ExitCode.OK
    running.check()


def test_a_restart_with_the_same_slot_takes_over_at_once(running: Run) -> None:
    first = running.start("a", SLEEP="0.001")
    running.feed(1000)
    wait_until(lambda: running.outputs() > 50, 60, running.log.read_text)
    first.kill()
    first.wait()
    running.start("a")
    running.wait(30)
    running.check()


def test_two_processes_on_one_slot_end_with_their_own_code(running: Run) -> None:
    first = running.start("a")
    running.feed(100)
    running.wait()
    running.start("a")
    running.feed(100)
    wait_until(lambda: first.poll() is not None, 40, running.log.read_text)
    assert first.returncode == ExitCode.SLOT_CONFLICT
    assert not ExitCode.SLOT_CONFLICT.is_transient
    running.wait()
    running.check()


def test_an_exception_commits_nothing_of_its_transaction_and_logs_no_payload(
    running: Run,
) -> None:
    running.feed(400)
    worker = running.start("a", RAISE_AT="250", COMMIT_MS="5000")
    assert worker.wait(40) == ExitCode.AGENT_FAILED
    assert running.outputs() == 0
    assert "planted-payload" not in running.log.read_text()
    assert "counting.py" in running.log.read_text(), "the place is named"
    running.start("a")
    running.wait()
    running.check()


def test_a_send_outside_an_event_is_refused(running: Run) -> None:
    running.start("a", OUTSIDE="1")
    wait_until(lambda: "REFUSED a send outside an event" in running.log.read_text(), 30)


def test_sigterm_ends_within_ten_seconds(running: Run) -> None:
    worker = running.start("a")
    running.feed(100)
    running.wait()
    worker.terminate()
    assert worker.wait(10) == ExitCode.OK


def test_untested_library_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unsupported_versions() == []
    monkeypatch.setitem(TESTED, "confluent-kafka", "0.0.1")
    with pytest.raises(RuntimeError, match=r"confluent-kafka is .* tested on 0\.0\.1"):
        make_app(RuntimeSettings(client={}, group="g"))
