"""The machine that the figures are of: without it they mean nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import confluent_kafka

from streams.demo.kafka.jars import ROOTS
from streams.demo.kafka.java import find_java

_PACKAGES: Final = (
    "confluent-kafka",
    "faust-streaming",
    "httptools",
    "msgspec",
    "orjson",
    "uvloop",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Described in words, for a reader who wants to know what the figures are worth."""

    processor: str
    cores: int
    memory_gigabytes: float
    kernel: str
    python: str
    java: str
    kafka: str
    librdkafka: str
    packages: dict[str, str]

    def lines(self) -> list[str]:
        """For a document."""
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return [
            (
                f"{self.cores} cores of {self.processor}, {self.memory_gigabytes:.0f} GB, "
                f"{self.kernel}"
            ),
            (
                f"Python {self.python}, Java {self.java}, Apache Kafka {self.kafka}, "
                f"librdkafka {self.librdkafka}"
            ),
            packages,
        ]

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def describe() -> Machine:
    """This machine, now."""
    return Machine(
        processor=_field("/proc/cpuinfo", "model name") or platform.machine(),
        cores=os.cpu_count() or 1,
        memory_gigabytes=int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]) / 1e6,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        java=_java(),
        kafka=ROOTS[0].rsplit(":", 1)[1],
        librdkafka=confluent_kafka.libversion()[0],
        packages={name: found for name in _PACKAGES if (found := _version(name))},
    )


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text().splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return ""


def _java() -> str:
    answer = subprocess.run(
        [find_java(), "-version"], capture_output=True, text=True, check=True, timeout=60
    )
    return answer.stderr.splitlines()[0].split('"')[1]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
