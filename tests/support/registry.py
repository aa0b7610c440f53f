"""A real Schema Registry as a child process: Apicurio Registry, which speaks Confluent's REST API.

It comes from Maven Central as one locked archive, and keeps what it is told in memory.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.demo.kafka.jars import ensure_jars
from streams.demo.kafka.java import find_java
from streams.demo.kafka.ports import HOST, free_port
from tests.support.java import QUICK
from tests.support.services import status, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK: Final = Path(__file__).with_name("registry-jars.lock.json")


@contextmanager
def registry(directory: Path) -> Iterator[str]:
    """Its address, once it answers; it ends with the context."""
    [archive] = ensure_jars(lock=LOCK)
    with tarfile.open(archive) as content:
        # Named in this way because 3.11.2, Debian's, has no argument for it.
        content.extraction_filter = getattr(tarfile, "data_filter", None)
        content.extractall(directory)  # noqa: S202  # its SHA-256 is locked
    port = free_port()
    environment = {
        **os.environ,
        "QUARKUS_HTTP_HOST": HOST,
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_MANAGEMENT_HOST": HOST,
        "QUARKUS_MANAGEMENT_PORT": str(free_port()),
    }
    log = directory / "registry.log"
    url = f"http://{HOST}:{port}/apis/ccompat/v7"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [find_java(), *QUICK, "-jar", directory / "quarkus-run.jar"],
            env=environment,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            wait_until(
                lambda: process.poll() is not None or status(f"{url}/subjects") == 200,
                120,
                log.read_text,
            )
            assert process.poll() is None, log.read_text()
            yield url
        finally:
            process.kill()  # what it holds is in memory
