"""The reference subscribers of ``docs/consumers``, each as its own team would run it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

from tests.support.java import compiled
from tests.support.node import NODE, installed
from tests.support.wheels import CONSUMERS, build_contracts, copy_consumer, environment_with

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

LANGUAGES = ("python", "java", "javascript")


def command(language: str, directory: Path) -> list[str]:
    """What runs a subscriber, everything that it needs being built and installed."""
    if language == "java":
        sources = sorted((CONSUMERS / "java" / "src").glob("*.java"))
        return [*compiled(sources, directory / "classes"), "Subscriber"]
    folder = copy_consumer(language, directory)
    if language == "javascript":
        (folder / "node_modules").symlink_to(installed(folder) / "node_modules")
        return [str(NODE), str(folder / "subscriber.mjs")]
    wheel = build_contracts(directory / "wheel")
    client = f"confluent-kafka=={version('confluent-kafka')}"
    python = environment_with(directory / "venv", [str(wheel), client])
    return [str(python), str(folder / "subscriber.py")]


@dataclass
class Subscriber:
    """One of them with its memory; it can be run again and goes on with it."""

    language: str
    command: list[str]
    directory: Path
    topic: str
    bootstrap_servers: str
    _process: subprocess.Popen[bytes] | None = None

    @property
    def group(self) -> str:
        return f"{self.topic}-{self.language}"

    @property
    def lines(self) -> list[str]:
        """Whole lines that it has printed in all its runs."""
        text = self._file("lines").read_text() if self._file("lines").exists() else ""
        return text.splitlines()[: text.count("\n")]

    @property
    def complaints(self) -> str:
        return self._file("errors").read_text("utf-8", "replace")

    def run(self, **options: str) -> Self:
        """Start it; leaving the context stops it."""
        given = {
            "bootstrap-servers": self.bootstrap_servers,
            "topic": self.topic,
            "group": self.group,
            "state": str(self._file("sqlite")),
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        words = [word for name, value in given.items() for word in (f"--{name}", value)]
        with self._file("lines").open("ab") as lines, self._file("errors").open("ab") as errors:
            self._process = subprocess.Popen([*self.command, *words], stdout=lines, stderr=errors)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()

    def _file(self, suffix: str) -> Path:
        return self.directory / f"{self.topic}-{self.language}.{suffix}"


def node_script(script: Path, package: Path, directory: Path) -> list[str]:
    """What runs a script that needs a package's ``node_modules``."""
    copy = directory / script.name
    shutil.copy(script, copy)
    if not (directory / "node_modules").exists():
        (directory / "node_modules").symlink_to(installed(package) / "node_modules")
    return [str(NODE), str(copy)]
