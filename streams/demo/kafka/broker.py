"""One broker of Apache Kafka in KRaft mode, as a child process on loopback.

Invariant: it never outlives this process, and a data directory can be started again after any end.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.demo.children import Child
from streams.demo.kafka.jars import Progress, ensure_jars
from streams.demo.kafka.java import find_java

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

HOST: Final = "127.0.0.1"
_LOG4J: Final = Path(__file__).with_name("log4j2.properties")
#: Any cluster id will do: 22 characters of URL-safe base64.
_CLUSTER_ID: Final = "Y2hlY2tvdXQtcmVjb3Zlcg"
_HANDED_OUT: Final[set[int]] = set()


class BrokerError(Exception):
    """Kafka did not start; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Node:
    """Where a broker listens: clients, and the controllers' quorum."""

    number: int
    port: int
    controller_port: int


@dataclass(frozen=True, slots=True)
class Jvm:
    """Size and compiler of the Java process; quick to start unless ``is_fast``."""

    heap_megabytes: int = 512
    is_fast: bool = False

    def options(self) -> list[str]:
        """Options of the ``java`` command."""
        tier = [] if self.is_fast else ["-XX:TieredStopAtLevel=1"]
        return [
            f"-Xmx{self.heap_megabytes}m",
            f"-Xms{min(256, self.heap_megabytes)}m",
            "-XX:+UseG1GC" if self.is_fast else "-XX:+UseSerialGC",
            *tier,
            "-XX:+ExitOnOutOfMemoryError",
            f"-Dlog4j2.configurationFile={_LOG4J}",
        ]


class Broker:
    """A node of a cluster: its files, its process."""

    def __init__(
        self,
        directory: Path,
        node: Node,
        quorum: Sequence[Node],
        jvm: Jvm,
        progress: Progress = lambda _done, _all, _name: None,
    ) -> None:
        self.node = node
        self.address = f"{HOST}:{node.port}"
        self._directory = directory
        self._quorum = tuple(quorum) or (node,)
        self._jvm = jvm
        self._progress = progress
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The Java process.

        Raises:
            BrokerError: it does not run.
        """
        if self._child is None:
            raise BrokerError("the broker does not run")
        return self._child.pid

    def start(self) -> None:
        """Start the process; ``wait_until_ready`` waits for it."""
        java = find_java()
        classpath = os.pathsep.join(str(jar) for jar in ensure_jars(self._progress))
        self._directory.mkdir(parents=True, exist_ok=True)
        properties = self._directory / "server.properties"
        properties.write_text(self._properties(), "utf-8")
        command = [str(java), *self._jvm.options(), "-cp", classpath]
        if not (self._directory / "data" / "meta.properties").exists():
            self._format(command, properties)
        self._child = Child(
            [
                *command,
                f"-Dcheckout.recovery.log={self._directory / 'kafka.log'}",
                "kafka.Kafka",
                properties,
            ],
            log=self._directory / "console.log",
        )

    def wait_until_ready(self, timeout_seconds: float = 60.0) -> None:
        """Wait until clients are answered.

        Raises:
            BrokerError: the process ended, or does not answer in time.
        """
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self._child is None or self._child.poll() is not None:
                raise BrokerError(f"Kafka ended while it started:\n{self._last_words()}")
            try:
                admin.list_topics(timeout=1.0)
            except KafkaException:
                time.sleep(0.05)
            else:
                return
        raise BrokerError(
            f"Kafka does not answer after {timeout_seconds:.0f} s:\n{self._last_words()}"
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the broker's process."""
        if self._child is not None:
            self._child.signal(number)

    def stop(self) -> None:
        """Stop cleanly, at most 10 s."""
        if self._child is not None:
            self._child.signal(signal.SIGCONT)
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _format(self, command: list[str], properties: Path) -> None:
        answer = subprocess.run(  # noqa: S603  # Kafka's own tool
            [*command, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", properties],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if answer.returncode:
            raise BrokerError(
                f"could not prepare {self._directory}:\n{answer.stdout}{answer.stderr}"
            )

    def _properties(self) -> str:
        voters = ",".join(f"{node.number}@{HOST}:{node.controller_port}" for node in self._quorum)
        replicas = len(self._quorum)
        in_sync = max(1, replicas - 1)
        node = self.node
        settings = {
            "process.roles": "broker,controller",
            "node.id": node.number,
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://{HOST}:{node.port},CONTROLLER://{HOST}:{node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{node.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": self._directory / "data",
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 6000,
            "log.cleaner.dedupe.buffer.size": 33554432,
            "controlled.shutdown.enable": str(replicas > 1).lower(),
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _last_words(self) -> str:
        lines: list[str] = []
        for name in ("console.log", "kafka.log"):
            path = self._directory / name
            if path.exists():
                lines += path.read_text("utf-8", "replace").splitlines()[-8:]
        return "\n".join(lines) or "(its log is empty)"

