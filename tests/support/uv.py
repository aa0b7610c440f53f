"""Runs uv, from its cache if that suffices: a second run of the tests downloads nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

UV = Path(sys.executable).with_name("uv")


def run_uv(
    arguments: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The finished process, whatever its exit code."""
    known = dict(os.environ) if env is None else env
    for more in ({"UV_OFFLINE": "1"}, {}):
        answer = subprocess.run(
            [str(UV), *arguments],
            cwd=cwd,
            env={**known, **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if answer.returncode == 0:
            break
    return answer
