"""A running ``checkout-recovery up``: Kafka, ingress, a worker and the API of one command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "streams"]


@contextmanager
def running_up(keys: Path, **environment: str) -> Iterator[dict[str, Any]]:
    """What it says when all of it is ready; ended with the context.

    ``keys``: the file or folder of the Wix public keys.
    """
    with subprocess.Popen(
        [*COMMAND, "up", "--json", "--wix-public-key", str(keys)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(30)
