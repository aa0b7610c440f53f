"""What is broken: brokers, an ingress and supervised workers, each a process of its own.

It plays the orchestrator: a service that has ended is started again after a second, on its slot.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from streams.adapters.errors import ClusterError
from streams.adapters.kafka import client_config
from streams.adapters.topics import apply_topics
from streams.config import Settings, load_settings
from streams.demo.children import Child
from streams.demo.kafka import Jvm, KafkaCluster
from streams.demo.kafka.ports import HOST, free_port
from streams.demo.simulator.signing import Signer
from streams.runtime import ExitCode
from tests.chaos.network import Network
from tests.chaos.schedule import COMMIT_POINTS, RESTORE_POINTS
from tests.support.services import environment, status, wait_until

if TYPE_CHECKING:
    from types import TracebackType

SESSION_MS: Final = 10_000
#: Of workers without a slot: nobody aborts what a killed one left, so the broker has to.
_TRANSACTION_MS: Final = 15_000
_TEND_SECONDS: Final = 0.2
_RESTART_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 12.0
_EXIT: Final = re.compile(r'"code": ?(\d+), "exit": ?"(\w+)"|exit=(\w+)')
#: Ends that must never happen here: they say that a promise was broken, or nothing would mend it.
NEVER: Final = frozenset(
    {
        ExitCode.OFFSETS_OUT_OF_ORDER,
        ExitCode.NOT_CO_ASSIGNED,
        ExitCode.CHANGELOG_LOST,
        ExitCode.POISON_STORM,
        ExitCode.STARTUP_CHECK_FAILED,
        ExitCode.AGENT_FAILED,
    }
)


@dataclass
class Service:
    """A process that is kept running while ``is_wanted``."""

    name: str
    command: list[str]
    env: dict[str, str]
    log: Path
    is_wanted: bool = True
    child: Child | None = None
    ended_at: float = 0.0
    ends: Counter[int] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def launch(self) -> None:
        """Start it."""
        self.child = Child(self.command, log=self.log, env=self.env)

    def inner_pids(self) -> list[int]:
        """Processes below it: a supervisor's worker."""
        if self.child is None:
            return []
        path = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        try:
            return [int(pid) for pid in path.read_text().split()]
        except OSError:
            return []

    def is_ready(self) -> bool:
        """Whether it says so itself."""
        port = self.env.get("CHECKOUT_RECOVERY_METRICS_PORT")
        return status(f"http://{HOST}:{port}/readyz") == 200


class Installation:
    """A context manager; ``settings`` are those of a client near the brokers."""

    def __init__(
        self,
        *,
        brokers: int,
        workers: int,
        stock_command: Path | None = None,
        session_ms: int = SESSION_MS,
    ) -> None:
        self.network = Network()
        jvm = Jvm(512 if brokers == 1 else 384)
        self.cluster = KafkaCluster(size=brokers, jvm=jvm, properties=self.network.properties)
        self.signer = Signer()
        self.services: list[Service] = []
        self.settings: Settings = load_settings()
        self.ingress_url = ""
        self._stock_command = stock_command
        self._session_ms = session_ms
        self._count = workers
        self._cleanup = ExitStack()
        self._stop = threading.Event()
        self._tending = threading.Thread(target=self._tend, daemon=True, name="orchestrator")
        self.directory = Path()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._tending.is_alive():
            self._tending.join()
        for service in self.services:
            if service.child is not None:
                service.child.kill()
        self._cleanup.close()

    @property
    def workers(self) -> list[Service]:
        """Those with a slot."""
        return [service for service in self.services if service.name.startswith("worker")]

    @property
    def slots(self) -> int:
        """How many workers have one."""
        return self._count

    def worker(self, target: int) -> Service:
        """One of those with a slot."""
        return self.workers[target % self._count]

    def new_worker(self, name: str, *, slot: str | None) -> Service:
        """A worker that runs beside the others until it is taken away."""
        service = self._worker(name, slot=slot)
        service.launch()
        return service

    def end(self, service: Service) -> int | None:
        """SIGTERM for good; its exit code, None if it had to be killed."""
        with service.lock:
            service.is_wanted = False
            if service.child is None:
                return None
            service.child.stop(_STOP_SECONDS)
            code = service.child.poll()
            service.child = None
            return code

    def fault_file(self, service: Service, point: str) -> Path:
        """Where a process looks for a fault at this point."""
        return self.directory / f"{service.name}.{point}"

    def exits(self) -> Counter[str]:
        """How worker processes have ended so far, by the name of the exit; from their logs."""
        found: Counter[str] = Counter()
        for log in self.directory.glob("*.log"):
            for line in log.read_text("utf-8", "replace").splitlines():
                match = _EXIT.search(line)
                if match and "exiting" in line:
                    found[match[2] or match[3]] += 1
        return found

    def _start(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True)
        self.directory = Path(self._cleanup.enter_context(directory))
        self._cleanup.enter_context(self.cluster)
        self._cleanup.enter_context(self.network)
        key = self.directory / "wix.pem"
        self.signer.write_public_key(key)
        self.settings = load_settings(
            bootstrap_servers=self.cluster.bootstrap_servers, wix_public_keys=(key,)
        )
        wait_until(self._have_topics, 60)
        port = free_port()
        self.ingress_url = f"http://{HOST}:{port}/webhooks/wix"
        env = environment(self.settings, WIX_PUBLIC_KEYS=str(key), INGRESS_PORT=str(port))
        command = [sys.executable, "-m", "streams", "ingress"]
        self.services.append(Service("ingress", command, env, self.directory / "ingress.log"))
        for number in range(self._count):
            self.services.append(self._worker(f"worker-{number}", slot=str(number)))
        for service in self.services:
            service.launch()
        ready = f"http://{HOST}:{port}/readyz"
        wait_until(lambda: status(ready) == 200, 60, lambda: "the ingress does not start")
        self._tending.start()

    def _have_topics(self) -> bool:
        try:
            apply_topics(self.settings, is_development=True)
        except ClusterError:
            return False
        return True

    def _worker(self, name: str, *, slot: str | None) -> Service:
        far = self.network.bootstrap_servers
        points = (*COMMIT_POINTS, *RESTORE_POINTS)
        more = {"SESSION_TIMEOUT_MS": str(self._session_ms), "METRICS_PORT": str(free_port())}
        if slot is None:
            more["TRANSACTION_TIMEOUT_MS"] = str(_TRANSACTION_MS)
        else:
            more["WORKER_SLOT"] = slot
        env = environment(self.settings.model_copy(update={"bootstrap_servers": far}), **more)
        command = (
            [sys.executable, str(self._stock_command), str(self.directory / name)]
            if self._stock_command is not None
            else [sys.executable, "-m", "streams", "worker"]
        )
        service = Service(name, command, env, self.directory / f"{name}.log")
        service.env["STREAMS_RUNTIME_FAULTS"] = ",".join(
            f"{point}={self.fault_file(service, point)}" for point in points
        )
        return service

    def _tend(self) -> None:
        while not self._stop.wait(_TEND_SECONDS):
            for service in list(self.services):
                with service.lock:
                    self._look_after(service)

    def _look_after(self, service: Service) -> None:
        if not service.is_wanted:
            return
        now = time.monotonic()
        if service.child is not None:
            code = service.child.poll()
            if code is None:
                return
            service.ends[code] += 1
            service.child, service.ended_at = None, now
        if now - service.ended_at > _RESTART_SECONDS:
            service.launch()


def direct(settings: Settings) -> dict[str, str | int | float | bool]:
    """Configuration of a client that a broker's absence does not fill with log lines."""
    return {**client_config(settings), "log_level": 0}
