"""The commands of ``docs/consumers.md``, typed as by somebody who has never met us."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.java import compiled
from tests.support.node import NODE, NPM
from tests.support.wheels import CONSUMERS, ROOT

PAGE: Final = ROOT / "docs" / "consumers.md"
#: What a command of each block names.
BLOCKS: Final = {
    "demo": "make demo",
    "address": "export KAFKA=",
    "python": "subscriber.py",
    "java": "pom.xml",
    "javascript": "subscriber.mjs",
    "stories": "-m pytest",
}


def commands() -> dict[str, list[str]]:
    """The commands of each block."""
    found: dict[str, list[str]] = {}
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        lines = [line.removeprefix("$ ") for line in block.splitlines()]
        [name] = [name for name, word in BLOCKS.items() if word in lines[-1]]
        found[name] = lines
    assert found.keys() == BLOCKS.keys()
    return found


class Newcomer:
    """A person with a clone, the tools of three languages, and the page."""

    def __init__(self, directory: Path, kafka: str) -> None:
        self.clone = directory / "clone"
        self.clone.mkdir()
        shutil.copy(ROOT / "pyproject.toml", self.clone)
        for folder in ("docs", "schemas"):
            ignored = shutil.ignore_patterns("__pycache__", "node_modules", "target")
            shutil.copytree(ROOT / folder, self.clone / folder, ignore=ignored)
        tools = directory / "tools"
        tools.mkdir()
        (tools / "python3").symlink_to(Path(sys.executable).resolve())
        (tools / "npm").write_text(f'#!/bin/sh\nexec {NODE} {NPM} "$@"\n')
        (tools / "npm").chmod(0o755)
        path = os.pathsep.join([str(tools), str(NODE.parent), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path, "KAFKA": kafka}

    def type(self, command: str) -> str:
        """Run a command to its end; what it printed."""
        answer = subprocess.run(
            ["sh", "-c", command],  # noqa: S607  # POSIX
            cwd=self.clone,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert answer.returncode == 0, f"{command}\n{answer.stdout}{answer.stderr}"
        return answer.stdout

    def start(self, command: str, output: Path) -> subprocess.Popen[bytes]:
        """Run a command that ends when it is told to."""
        with output.open("wb") as lines, output.with_suffix(".errors").open("wb") as errors:
            return subprocess.Popen(
                ["sh", "-c", f"exec {command}"],  # noqa: S607  # POSIX
                cwd=self.clone,
                env=self.environment,
                stdout=lines,
                stderr=errors,
            )


def without_maven(command: str, directory: Path) -> str:
    """The command; where there is no JDK or Maven, what Maven would do of it."""
    if shutil.which("mvn") and shutil.which("javac"):
        return command
    [arguments] = re.findall(r'-Dexec\.args="(.*)"', command)
    sources = sorted((CONSUMERS / "java" / "src").glob("*.java"))
    return f"{shlex.join([*compiled(sources, directory), 'Subscriber'])} {arguments}"


def checklist(page: Path) -> list[str]:
    """The numbered lines between the markers."""
    text = page.read_text("utf-8")
    [found] = re.findall(r"<!-- checklist -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    return str(found).splitlines()
