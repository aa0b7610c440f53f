"""Runs one ingress under load, and checks what it answered against what Kafka has.

The server has the first core with all its threads; Kafka, the load and the harness have the last.
"""

from __future__ import annotations

import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.adapters.kafka import client_config
from streams.adapters.reading import read_to_end
from streams.adapters.topics import SOURCE, apply_topics
from streams.config import load_settings
from streams.demo.kafka import EmbeddedKafka, KafkaCluster
from streams.demo.kafka.broker import free_port
from tests.bench.harness.processes import cores, on_core
from tests.bench.harness.runs import WrongRunError
from tests.bench.load import Attack, find_vegeta, write_targets
from tests.support.certificates import authority
from tests.support.services import status, wait_until
from tests.support.signing import public_pem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.config import Settings
    from tests.bench.load import Figures

_ROOT: Final = Path(__file__).parents[2]
_START_SECONDS: Final = 60
Environment = dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server stands: files with keys, ports."""

    settings: Settings
    wix_key: Path
    certificate: Path
    port: int
    #: Of the product's own listener for probes, always without TLS.
    metrics_port: int


@dataclass(frozen=True, slots=True)
class Server:
    """A program that takes webhooks: its command and its environment at a place."""

    name: str
    note: str
    command: Callable[[], list[str]]
    environment: Callable[[Place], Environment]
    has_tls: bool = False
    has_metrics: bool = False


class Gate:
    """A cluster, the targets, and one server after the other."""

    def __init__(
        self, kafka: EmbeddedKafka | KafkaCluster, folder: Path, *, tokens: int = 5000
    ) -> None:
        self.brokers = (
            [kafka.pid]
            if isinstance(kafka, EmbeddedKafka)
            else [broker.pid for broker in kafka.brokers]
        )
        self._bootstrap = kafka.bootstrap_servers
        self._folder = folder
        self._vegeta = find_vegeta()
        self.wix_key = folder / "app.pem"
        self.wix_key.write_text(public_pem())
        self._certificate = authority().write(folder / "server.pem")
        self._ports = free_port(), free_port()  # the same for all, for one stands in the targets
        self.targets = folder / "http"
        self._tls_targets = folder / "https"
        address = f"127.0.0.1:{self._ports[0]}/webhooks/wix"
        self._events = set(write_targets(self.targets, f"http://{address}", tokens))
        self._tls_targets.write_text(
            self.targets.read_text().replace(f"http://{address}", f"https://{address}")
        )

    def settings(self) -> Settings:
        """Of topics that nobody else uses; they are there."""
        settings = load_settings(
            bootstrap_servers=self._bootstrap, topic_prefix=f"i{uuid.uuid4().hex[:8]}."
        )
        apply_topics(settings, is_development=True)
        return settings

    @contextmanager
    def attacking(self, server: Server, settings: Settings) -> Iterator[Attack]:
        """The server at work, warm, and the load for it."""
        place = Place(settings, self.wix_key, self._certificate, *self._ports)
        command, log = server.command(), self._folder / "log"
        with log.open("wb") as output, on_core(cores()[0]):
            popen = subprocess.Popen(
                command,
                env=server.environment(place),
                cwd=_ROOT,
                stdout=output,
                stderr=output,
            )
        url = f"http://127.0.0.1:{self._ports[server.has_metrics]}/readyz"
        try:
            wait_until(lambda: status(url) == 200, _START_SECONDS, log.read_text)
            targets = self._tls_targets if server.has_tls else self.targets
            attack = Attack(self._vegeta, targets, popen.pid)
            attack.run("warming up", 2, rate=500)
            yield attack
        finally:
            popen.terminate()
            try:
                popen.wait(15)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()

    def stored(self, settings: Settings) -> int:
        """Records in the source topic."""
        return sum(1 for _ in read_to_end(client_config(settings), settings.topic(SOURCE)))

    def check(self, settings: Settings, before: int, figures: list[Figures]) -> None:
        """Compare the answers with the topic, which had so many records before.

        Raises:
            WrongRunError: an answer is neither 200 nor 503, something that was answered 200 is not
                in the topic, or something is in there that was not posted.
        """
        accepted = sum(one.answers.get("200", 0) for one in figures)
        if {code for one in figures for code in one.answers} - {"200", "503"}:
            raise WrongRunError(
                f"answers other than 200 and 503: {[one.answers for one in figures]}"
            )
        stored = 0
        for message in read_to_end(client_config(settings), settings.topic(SOURCE)):
            stored += 1
            if message.value() not in self._events:
                raise WrongRunError("the topic holds something that was not posted")
        if stored - before < accepted:
            raise WrongRunError(f"{accepted} webhooks answered 200, {stored - before} in the topic")
