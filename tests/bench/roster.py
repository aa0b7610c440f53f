"""Who takes part, and how each is made ready from packages alone.

``python -m tests.bench.roster`` writes the locks of the peers' packages anew.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from streams.demo.kafka.jars import write_lock
from tests.bench.contest import Peer, python_module
from tests.support.java import compiled
from tests.support.node import NODE, NPM, environment
from tests.support.uv import UV, run_uv

PEERS: Final = Path(__file__).parent / "peers"
_CACHE: Final = Path.home() / ".cache" / "checkout-recovery" / "bench"
JARS: Final = PEERS / "streams" / "jars.lock.json"
_STREAMS: Final = (
    "org.apache.kafka:kafka-streams:4.3.1",
    "com.fasterxml.jackson.core:jackson-databind:2.21.2",
    "org.slf4j:slf4j-nop:1.7.36",
)
#: One core and a gigabyte, both compilers: what a server would have.
_JAVA: Final = ("-Xms1g", "-Xmx1g", "-XX:+UseSerialGC")


@cache
def peers_python() -> str:
    """A Python with the peers' packages, as locked; made on first use, then kept."""
    lock = (PEERS / "uv.lock").read_bytes()
    folder = _CACHE / f"python-{hashlib.sha256(lock).hexdigest()[:16]}"
    interpreter = folder / "bin" / "python"
    if not (folder / "ready").exists():
        answer = run_uv(
            ["sync", "--quiet", "--locked", "--project", str(PEERS), "--python", sys.executable],
            env={**os.environ, "VIRTUAL_ENV": "", "UV_PROJECT_ENVIRONMENT": str(folder)},
        )
        if answer.returncode:
            raise SystemExit(f"the peers' packages can't be had:\n{answer.stderr}")
        (folder / "ready").touch()
    return str(interpreter)


@cache
def _java_job() -> list[str]:
    source = PEERS / "streams" / "Job.java"
    folder = _CACHE / f"java-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
    return [*compiled([source], folder, lock=JARS, options=_JAVA), "Job"]


def _kafka_streams(folder: Path) -> list[str]:
    return [*_java_job(), str(folder)]


def _quix(folder: Path) -> list[str]:
    return python_module("quix", peers_python())(folder)


OURS: Final = Peer(
    "ours, exactly once",
    "exactly once",
    python_module("runtime"),
    "a Faust agent on streams.runtime",
)
OURS_AT_LEAST_ONCE: Final = Peer(
    "ours, at least once",
    "at least once",
    python_module("runtime"),
    "the same without transactions, for comparison only: the product has no such mode",
)
BARE: Final = Peer(
    "bare loop, exactly once", "exactly once", python_module("bare"), "librdkafka, no framework"
)
BARE_AT_LEAST_ONCE: Final = Peer(
    "bare loop, at least once",
    "at least once",
    python_module("bare"),
    "the same without transactions",
)
KAFKA_STREAMS: Final = Peer(
    "Kafka Streams, exactly once",
    "exactly once",
    _kafka_streams,
    "Java, EOS v2, one thread, in memory, warm",
    makes_changelog=True,
)
KAFKA_STREAMS_AT_LEAST_ONCE: Final = Peer(
    "Kafka Streams, at least once",
    "at least once",
    _kafka_streams,
    "the same without transactions",
    makes_changelog=True,
)
QUIX: Final = Peer(
    "Quix Streams, exactly once",
    "exactly once",
    _quix,
    "its own store, RocksDB",
    changelog="changelog__{run}--{source}--default",
    makes_changelog=True,
)
QUIX_AT_LEAST_ONCE: Final = Peer(
    "Quix Streams, at least once",
    "at least once",
    _quix,
    "the same without transactions",
    changelog="changelog__{run}--{source}--default",
    makes_changelog=True,
)
STOCK: Final = Peer(
    "stock Faust, at least once",
    "at least once",
    python_module("stock_faust"),
    "Faust as it comes, uvloop",
    share=0.15,
)
ALL: Final = (
    OURS,
    OURS_AT_LEAST_ONCE,
    BARE,
    BARE_AT_LEAST_ONCE,
    KAFKA_STREAMS,
    KAFKA_STREAMS_AT_LEAST_ONCE,
    QUIX,
    QUIX_AT_LEAST_ONCE,
    STOCK,
)


def main() -> None:
    """Write the locks anew: Maven's, uv's and npm's."""
    write_lock(JARS, [" ".join(_STREAMS)])
    subprocess.run([UV, "lock", "--project", PEERS], check=True)
    subprocess.run(
        [NODE, NPM, "install", "--package-lock-only", "--ignore-scripts", "--no-audit"],
        cwd=PEERS / "node",
        env=environment(),
        check=True,
    )


if __name__ == "__main__":
    main()
