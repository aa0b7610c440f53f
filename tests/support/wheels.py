"""The wheel of the contracts, built and installed as a subscriber's team would."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "schemas"
CONSUMERS = ROOT / "docs" / "consumers"


def build_contracts(directory: Path) -> Path:
    """The wheel ``checkout-recovery-schemas``."""
    run(["build", "--quiet", "--wheel", "--out-dir", str(directory), str(CONTRACTS)])
    [wheel] = directory.glob("*.whl")
    return wheel


def environment_with(directory: Path, packages: Sequence[str], *, python: str = "") -> Path:
    """The Python of a fresh virtual environment with these packages only."""
    given = ["--python", python] if python else []
    run(["venv", "--quiet", *given, str(directory)])
    interpreter = directory / "bin" / "python"
    run(["pip", "install", "--quiet", "--python", str(interpreter), *packages])
    return interpreter


def pythons() -> list[tuple[str, str]]:
    """Version and path of every CPython of 3.10 and newer on this machine, the oldest first."""
    answer = run(["python", "list", "--only-installed", "--output-format", "json"])
    found = {
        (int(row["version_parts"]["major"]), int(row["version_parts"]["minor"])): str(row["path"])
        for row in json.loads(answer)
        if row["implementation"] == "cpython"
        and row.get("variant", "default") == "default"
        and "/shims/" not in row["path"]
    }
    return [
        (f"{major}.{minor}", path)
        for (major, minor), path in sorted(found.items())
        if (major, minor) >= (3, 10)
    ]


def copy_consumer(language: str, directory: Path) -> Path:
    """The reference subscriber of a language, outside of this repository."""
    return Path(shutil.copytree(CONSUMERS / language, directory / language))


def run(arguments: list[str]) -> str:
    """What uv printed; it downloads packages, never a Python. Those of pyenv are found too."""
    folders = [*map(str, Path.home().glob(".pyenv/versions/*/bin")), os.environ.get("PATH", "")]
    env = {**os.environ, "PATH": os.pathsep.join(folders), "UV_PYTHON_DOWNLOADS": "never"}
    answer = run_uv(arguments, env=env)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout
