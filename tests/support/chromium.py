"""Chromium under Playwright's command: the one on the PATH, else Debian's, installed as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_APT: Final = (
    ("apt-get", "update", "-qq"),
    ("apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"),
)


class NoChromiumError(Exception):
    """There is none, and it could not be installed; the message says why."""


def chromium() -> str:
    """The path of a Chromium.

    Raises:
        NoChromiumError: see there.
    """
    found = _found()
    if found is not None:
        return found
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise NoChromiumError("no Chromium on the PATH, and only root can install Debian's")
    for command in _APT:
        answer = subprocess.run(
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        if answer.returncode != 0:
            raise NoChromiumError(f"{' '.join(command)}: {answer.stderr.strip()[-300:]}")
    found = _found()
    if found is None:
        raise NoChromiumError("Debian's package was installed and holds no Chromium")
    return found


def _found() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name)) is not None), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own.

    Raises:
        NoChromiumError: see there.
    """
    path = chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=[*_FLAGS])
        try:
            yield running
        finally:
            running.close()
