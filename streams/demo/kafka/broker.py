"""One node of Apache Kafka in KRaft mode, broker and controller in one child process.

Invariant: it never outlives this process, and its directory can be started again after any end.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.demo.children import Child
from streams.demo.kafka.jars import Progress, ensure_jars
from streams.demo.kafka.java import find_java
from streams.demo.kafka.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["HOST", "Broker", "BrokerError", "Jvm", "Node", "PortTakenError", "free_port"]

_LOG4J: Final = Path(__file__).with_name("log4j2.properties")
#: Any cluster id will do: 22 characters of URL-safe base64.
_CLUSTER_ID: Final = "Y2hlY2tvdXQtcmVjb3Zlcg"
_LOOK_SECONDS: Final = 0.02
_LAST_LINES: Final = 12
#: Names in a broker's directory. Java runs in it and is given these names alone, so that a comma,
#: a space or an umlaut in the directory's own path means nothing to Kafka's configuration.
_SETTINGS_FILE: Final = "server.properties"
_LOG4J_FILE: Final = "log4j2.properties"
_DATA: Final = "data"
_CONSOLE: Final = "console.log"
_LOG: Final = "kafka.log"


class BrokerError(Exception):
    """Kafka did not start; the message has the end of its log."""


class PortTakenError(BrokerError):
    """Somebody else listens on one of its ports; try others."""


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
            f"-Dlog4j2.configurationFile={_LOG4J_FILE}",
            f"-Dcheckout.recovery.log={_LOG}",
        ]


class Broker:
    """A node of a cluster: its files, its process.

    ``quorum`` is empty for a single one; ``properties`` are settings of Kafka beyond ours.
    """

    def __init__(
        self,
        directory: Path,
        node: Node,
        quorum: Sequence[Node],
        jvm: Jvm,
        progress: Progress = lambda _done, _all, _name: None,
        *,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self.node = node
        self.address = f"{HOST}:{node.port}"
        self._directory = directory
        self._quorum = tuple(quorum) or (node,)
        self._jvm = jvm
        self._progress = progress
        self._more = properties or {}
        self._child: Child | None = None
        self._read: dict[str, int] = {}

    @property
    def pid(self) -> int:
        """The Java process.

        Raises:
            BrokerError: it does not run.
        """
        if self._child is None:
            raise BrokerError("the broker does not run")
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether its process exists; a frozen one does."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the process; ``wait_until_ready`` waits for it. Nothing if it runs.

        Raises:
            BrokerError: its directory can't be prepared.
            JarsError: its jars can't be had.
            JavaError: there is no Java.
        """
        if self.is_running:
            return
        java = find_java()
        classpath = os.pathsep.join(str(jar) for jar in ensure_jars(self._progress))
        command = [str(java), *self._jvm.options(), "-cp", classpath]
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            (self._directory / _SETTINGS_FILE).write_text(self._properties(), "ascii")
            (self._directory / _LOG4J_FILE).write_bytes(_LOG4J.read_bytes())
        except OSError as error:
            raise BrokerError(f"could not write to {self._directory}: {error.strerror}") from error
        self._read = {name: self._size(name) for name in (_CONSOLE, _LOG)}
        if not (self._directory / _DATA / "meta.properties").exists():
            self._format(command)
        self._child = Child(
            [*command, "kafka.Kafka", _SETTINGS_FILE],
            log=self._directory / _CONSOLE,
            env=_environment(),
            cwd=self._directory,
        )

    def wait_until_ready(self, timeout_seconds: float = 60.0) -> None:
        """Wait until clients are answered and all brokers of the cluster are known.

        Raises:
            BrokerError: the process ended, or does not answer in time.
            PortTakenError: it ended because somebody else has its port.
        """
        deadline = time.monotonic() + timeout_seconds
        while not self._is_listening():
            self._check(deadline, timeout_seconds)
            time.sleep(_LOOK_SECONDS)
        admin = AdminClient(
            {
                "bootstrap.servers": self.address,
                "log_level": 0,
                "reconnect.backoff.ms": 20,
                "reconnect.backoff.max.ms": 100,
            }
        )
        while True:
            self._check(deadline, timeout_seconds)
            with suppress(KafkaException):
                if len(admin.list_topics(timeout=1.0).brokers) == len(self._quorum):
                    return
            time.sleep(_LOOK_SECONDS)

    def pause(self) -> None:
        """Freeze the process (SIGSTOP)."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the broker's process; nothing if it does not run."""
        if self._child is not None:
            self._child.signal(number)

    def stop(self, *, grace_seconds: float = 8.0) -> None:
        """Stop cleanly; what still runs after the grace is killed."""
        if self._child is not None:
            self._child.stop(grace_seconds)
            self._child = None

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _format(self, command: list[str]) -> None:
        tool = ("kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", _SETTINGS_FILE)
        try:
            answer = subprocess.run(  # noqa: S603  # Kafka's own tool
                [*command, *tool],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                env=_environment(),
                cwd=self._directory,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BrokerError(f"could not prepare {self._directory}: {error}") from error
        if answer.returncode:
            raise BrokerError(
                f"could not prepare {self._directory}:\n{answer.stdout}{answer.stderr}"
            )

    def _is_listening(self) -> bool:
        try:
            socket.create_connection((HOST, self.node.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _check(self, deadline: float, timeout_seconds: float) -> None:
        if not self.is_running:
            words = self._last_words()
            if "java.net.BindException" in words:
                raise PortTakenError(
                    f"port {self.node.port} or {self.node.controller_port} of {HOST} is in use"
                )
            if "Failed to acquire lock on file" in words:
                raise BrokerError(f"another Kafka uses {self._directory}")
            raise BrokerError(f"Kafka ended while it started:\n{words}")
        if time.monotonic() > deadline:
            raise BrokerError(
                f"Kafka does not answer after {timeout_seconds:.0f} s:\n{self._last_words()}"
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
            "log.dirs": _DATA,
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
            # A controller refuses a broker that comes back until the session of its former life
            # has expired: with the default of 9 s every restart would take 12 s.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            **self._more,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _size(self, name: str) -> int:
        path = self._directory / name
        return path.stat().st_size if path.exists() else 0

    def _last_words(self) -> str:
        lines: list[str] = []
        for name in (_CONSOLE, _LOG):
            path = self._directory / name
            if path.exists():
                said = path.read_bytes()[self._read.get(name, 0) :].decode("utf-8", "replace")
                causes = [line for line in said.splitlines() if not line.startswith("\tat ")]
                lines += causes[-_LAST_LINES:]
        return "\n".join(lines) or "(its log is empty)"


def _environment() -> dict[str, str]:
    """Java decodes file names by the locale; in the locale C it can't read those beyond ASCII."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}
