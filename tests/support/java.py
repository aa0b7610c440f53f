"""Compiles and runs Java: the compiler is Eclipse's, for a bare machine has no JDK.

``python -m tests.support.java`` writes the locks of the jars anew.
"""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.demo.kafka.jars import ensure_jars, write_lock
from streams.demo.kafka.java import find_java

if TYPE_CHECKING:
    from collections.abc import Sequence

POM: Final = Path(__file__).parents[2] / "docs" / "consumers" / "java" / "pom.xml"
#: What the subscriber's ``pom.xml`` asks for, with everything that this asks for in turn.
LOCK: Final = Path(__file__).with_name("consumer-jars.lock.json")
COMPILER_LOCK: Final = Path(__file__).with_name("compiler-jars.lock.json")
COMPILER: Final = ("org.eclipse.jdt:ecj:3.46.0",)
QUICK: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m")
_MAVEN: Final = {"m": "http://maven.apache.org/POM/4.0.0"}


def wanted() -> list[str]:
    """Coordinates of the dependencies in the ``pom.xml``."""
    found = ET.parse(POM).getroot().findall("m:dependencies/m:dependency", _MAVEN)  # noqa: S314  # ours
    return [
        ":".join(
            one.findtext(f"m:{name}", "", _MAVEN) for name in ("groupId", "artifactId", "version")
        )
        for one in found
    ]


def compiled(
    sources: Sequence[Path],
    directory: Path,
    *,
    lock: Path = LOCK,
    options: Sequence[str] = QUICK,
) -> list[str]:
    """Compile against the jars of a lock; the command to run a class of it with these options."""
    jars = os.pathsep.join(map(str, ensure_jars(lock=lock)))
    [compiler] = ensure_jars(lock=COMPILER_LOCK)
    java = str(find_java())
    answer = subprocess.run(
        [
            *(java, *QUICK, "-jar", str(compiler), "-17", "-proc:none", "-failOnWarning"),
            *("-cp", jars, "-d", str(directory), *map(str, sources)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    # Java 24 and newer warn of native code, which the driver of SQLite is.
    return [java, *options, "--enable-native-access=ALL-UNNAMED", "-cp", f"{directory}:{jars}"]


if __name__ == "__main__":
    write_lock(LOCK, [" ".join(wanted())])
    write_lock(COMPILER_LOCK, COMPILER)
