"""The fixture of the runtime's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.runtime.running import Run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def running(bootstrap_servers: str, tmp_path: Path) -> Iterator[Run]:
    found = Run(bootstrap_servers, tmp_path)
    yield found
    found.stop()
