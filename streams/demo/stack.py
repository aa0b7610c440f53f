"""Everything on this machine: Kafka, topics and all services as children of this process.

Invariants: nothing outlives this process; a service that ends is started again; the ports are free
ones unless given, and stay the same over a restart of a service.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.errors import ClusterError
from streams.adapters.topics import apply_topics
from streams.api.access.token_list import EVERY_SITE, hash_of, new_token
from streams.api.callers import Scope
from streams.config import PREFIX, load_settings
from streams.demo.children import Child, stop_all
from streams.demo.kafka import EmbeddedKafka
from streams.demo.kafka.broker import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from streams.config import Settings
    from streams.demo.kafka.jars import Progress

_READY_SECONDS: Final = 40.0
_LOOK_SECONDS: Final = 0.05
_STOP_SECONDS: Final = 5.0
_KAFKA_STOP_SECONDS: Final = 4.0


class StackError(Exception):
    """A part did not start; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What to run. ``data_dir`` is kept; a temporary one is removed at the end."""

    wix_public_keys: Sequence[Path]
    data_dir: Path | None = None
    workers: int = 2
    partitions: int = 8
    ingress_port: int | None = None
    kafka_port: int | None = None
    api_port: int | None = None


@dataclass(slots=True)
class Service:
    """A process of ours, and how to start it again."""

    name: str
    command: list[str]
    env: dict[str, str]
    health_url: str
    child: Child | None = None
    restarts: int = 0


@dataclass(slots=True)
class Stack:
    """The running whole; a context manager."""

    options: StackOptions
    progress: Progress = lambda _done, _all, _name: None
    tell: Callable[[str], None] = lambda _text: None
    services: list[Service] = field(default_factory=list)
    bootstrap_servers: str = ""
    ingress_url: str = ""
    api_url: str = ""
    #: Every site and every scope; another one each time.
    api_token: str = field(default_factory=new_token)
    _kafka: EmbeddedKafka | None = None
    _directory: Path = Path()
    _cleanup: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def settings(self) -> Settings:
        """Settings of a client of this stack."""
        return load_settings(
            bootstrap_servers=self.bootstrap_servers, wix_public_keys=self._public_keys()
        )

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by service; the broker is ``kafka``."""
        pids = {s.name: s.child.pid for s in self.services if s.child is not None}
        return {"kafka": self._kafka.pid, **pids} if self._kafka is not None else pids

    @property
    def page_url(self) -> str:
        """The live page, for a browser of this machine: it signs in, and forgets the address.

        What stands behind the # is sent to no server and into no log.
        """
        return f"{self.api_url}/#token={self.api_token}"

    def ready_line(self) -> str:
        """The line that ``up --json`` prints; null for a part that does not exist yet."""
        return json.dumps(
            {
                "ingress_url": self.ingress_url,
                "api_url": self.api_url,
                "api_token": self.api_token,
                "bootstrap_servers": self.bootstrap_servers,
                "pids": self.pids,
            }
        )

    def ask_api(self, address: str) -> Any:  # noqa: ANN401  # JSON
        """What the API answers for an address; None if it has nothing or does not answer."""
        request = urllib.request.Request(  # noqa: S310  # loopback http
            self.api_url + address, headers={"Authorization": self.api_token}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # the same
                return json.load(answer)
        except OSError:  # HTTP errors too
            return None

    def tend(self) -> None:
        """Start again what has ended; call it now and then."""
        for service in self.services:
            if service.child is not None and service.child.poll() is not None:
                service.restarts += 1
                self._launch(service)

    def stop(self) -> None:
        """Stop everything within 10 s."""
        running = [service.child for service in self.services if service.child is not None]
        stop_all(running, grace_seconds=_STOP_SECONDS)
        self.services.clear()
        if self._kafka is not None:
            self._kafka.stop(grace_seconds=_KAFKA_STOP_SECONDS)
            self._kafka = None
        self._cleanup.close()

    def _start(self) -> None:
        options = self.options
        if options.data_dir is None:
            temporary = tempfile.TemporaryDirectory(
                prefix="checkout-recovery-", ignore_cleanup_errors=True
            )
            self._directory = Path(self._cleanup.enter_context(temporary))
        else:
            self._directory = options.data_dir.resolve()
            self._directory.mkdir(parents=True, exist_ok=True)
        self._kafka = EmbeddedKafka(
            self._directory / "kafka", port=options.kafka_port, progress=self.progress
        )
        self.tell("starting Apache Kafka")
        self._kafka.start()
        self.bootstrap_servers = self._kafka.bootstrap_servers
        self.tell("creating topics")
        self._apply_topics()
        self.tell("starting ingress, workers and API")
        ingress_port = options.ingress_port or free_port()
        self.ingress_url = f"http://{HOST}:{ingress_port}/webhooks/wix"
        self._add("ingress", ["ingress"], {"INGRESS_PORT": str(ingress_port)}, ingress_port)
        for number in range(options.workers):
            metrics_port = free_port()
            self._add(
                f"worker-{number}",
                ["worker"],
                {
                    "WORKER_SLOT": str(number),
                    "METRICS_PORT": str(metrics_port),
                    "SESSION_TIMEOUT_MS": "10000",
                },
                metrics_port,
            )
        self._add_api()
        self._wait_until_ready()

    def _add_api(self) -> None:
        database_url = f"sqlite:///{self._directory / 'read-model.db'}"
        engine = writing_engine(database_url)
        migrate(engine)
        engine.dispose()
        port = self.options.api_port or free_port()
        self.api_url = f"http://{HOST}:{port}"
        self._add(
            "api",
            ["api"],
            {
                "API_PORT": str(port),
                "API_SECRET": secrets.token_hex(32),
                "API_TOKENS": _token_list(self.api_token),
                "DATABASE_URL": database_url,
                "SESSION_TIMEOUT_MS": "10000",
            },
            port,
        )

    def _apply_topics(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:  # a broker answers before it may create topics
            try:
                apply_topics(self.settings, is_development=True, partitions=self.options.partitions)
            except ClusterError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_SECONDS)
            else:
                return

    def _add(self, name: str, arguments: list[str], env: dict[str, str], health_port: int) -> None:
        ours = {
            "BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "WIX_PUBLIC_KEYS": ",".join(map(str, self._public_keys())),
            "LOG_FORMAT": "json",
            **env,
        }
        service = Service(
            name,
            [sys.executable, "-m", "streams", *arguments],
            {**os.environ, **{PREFIX + key: value for key, value in ours.items()}},
            f"http://{HOST}:{health_port}/readyz",
        )
        self.services.append(service)
        self._launch(service)

    def _launch(self, service: Service) -> None:
        log = self._directory / f"{service.name}.log"
        service.child = Child(service.command, log=log, env=service.env)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        for service in self.services:
            while not _is_ready(service.health_url):
                child = service.child
                if child is None or child.poll() is not None or time.monotonic() > deadline:
                    raise StackError(f"{service.name} did not start:\n{_end_of(child)}")
                time.sleep(_LOOK_SECONDS)

    def _public_keys(self) -> tuple[Path, ...]:
        return tuple(path.resolve() for path in self.options.wix_public_keys)


def _token_list(token: str) -> str:
    scopes = [scope.value for scope in Scope]
    listed = {"name": "up", "sha256": hash_of(token), "sites": [EVERY_SITE], "scopes": scopes}
    return json.dumps({"tokens": [listed]})


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310  # loopback http
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False


def _end_of(child: Child | None) -> str:
    if child is None or not child.log.exists():
        return "(no log)"
    return "\n".join(child.log.read_text("utf-8", "replace").splitlines()[-12:])
