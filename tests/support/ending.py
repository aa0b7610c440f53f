"""Runs what ends its process in a process of its own."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LIMIT_SECONDS = 60

#: A server that has imported everything and has no threads: a child starts in no time.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["streams.runtime.application"])


class Ending(NamedTuple):
    """How a process ended: its exit code (negative: a signal), and what it wrote."""

    code: int | None
    text: str


def ending(call: Callable[..., object], *arguments: object, log: Path) -> Ending:
    """Call a function of a module in a process of its own; 0 if the function just returned."""
    process = _PROCESSES.Process(target=_run, args=(log, call, arguments))
    process.start()
    process.join(_LIMIT_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    return Ending(process.exitcode, log.read_text("utf-8", "replace"))


def _run(log: Path, call: Callable[..., object], arguments: tuple[object, ...]) -> None:
    with log.open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    faulthandler.dump_traceback_later(_LIMIT_SECONDS - 5)  # where it hangs, if it does
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text stream
    call(*arguments)
