"""Starts the product's own processes, as an operator would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streams.adapters.kafka import client_config
from streams.adapters.reading import read_to_end
from streams.demo.kafka.broker import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from confluent_kafka import Message

    from streams.config import Settings

PREFIX = "CHECKOUT_RECOVERY_"


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """The environment of a process for a test's broker and prefix."""
    ours = {
        "BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "TOPIC_PREFIX": settings.topic_prefix,
        "LOG_FORMAT": "json",
        **more,
    }
    return {**os.environ, **{PREFIX + name: value for name, value in ours.items()}}


class Process:
    """A process of the product with its log."""

    def __init__(
        self, arguments: list[str], env: dict[str, str], log: Path, *, module: str = "streams"
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=env,
                stdout=output,
                stderr=output,
            )

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def stop(self, seconds: float = 10) -> int:
        """SIGTERM; the exit code, within the promised time."""
        self.popen.terminate()
        return self.popen.wait(seconds)

    def text(self) -> str:
        return self.log.read_text("utf-8", "replace")


@contextmanager
def ingress(
    settings: Settings, keys: Path, log: Path, **more: str
) -> Iterator[tuple[str, Process]]:
    """A running ingress and its base URL."""
    port = free_port()
    env = environment(settings, WIX_PUBLIC_KEYS=str(keys), INGRESS_PORT=str(port), **more)
    process = Process(["ingress"], env, log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: status(f"{url}/readyz") == 200, 30, process.text)
        yield url, process
    finally:
        if process.popen.poll() is None:
            process.signal(signal.SIGCONT)
            process.popen.kill()
        process.popen.wait()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def wait_until(
    condition: Callable[[], object], seconds: float, why: Callable[[], str] = lambda: ""
) -> None:
    """Wait for a condition; fail with the reason."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


def read_all(settings: Settings, topic: str) -> list[Message]:
    """All committed records of a topic, in the order of partition and offset."""
    found = read_to_end(client_config(settings), settings.topic(topic))
    return sorted(found, key=lambda message: (message.partition(), message.offset()))
