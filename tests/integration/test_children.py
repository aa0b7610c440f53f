"""Children that never outlive us: the promise under `demo`, `up` and the embedded Kafka."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from streams.demo.children import Child, stop_all
from tests.support.processes import is_running
from tests.support.services import wait_until

ROOT = Path(__file__).parents[2]

#: Says its pid and that of a child of its own, then ignores what asks it to end.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), grandchild.pid, flush=True)
time.sleep(600)
"""
PATIENT = "import time; print('up', flush=True); time.sleep(600)"

#: Starts the given program as a child in a thread that ends at once, then waits.
PARENT = """
import sys, threading, time
from pathlib import Path
from streams.demo.children import Child
children = []
def start():
    children.append(Child([sys.executable, "-c", sys.argv[1]], log=Path(sys.argv[2])))
thread = threading.Thread(target=start)
thread.start()
thread.join()
print(children[0].pid, flush=True)
time.sleep(600)
"""


def python(program: str, log: Path) -> Child:
    return Child([sys.executable, "-c", program], log=log)


def pids_told(log: Path, count: int) -> list[int]:
    wait_until(lambda: len(log.read_text().split()) == count, 20, log.read_text)
    return [int(pid) for pid in log.read_text().split()]


def test_a_child_gets_its_environment_and_directory_and_its_words_are_in_the_log(
    tmp_path: Path,
) -> None:
    program = "import os; print(os.environ['COLOUR'], os.getcwd())"
    child = Child(
        [sys.executable, "-c", program],
        log=tmp_path / "log",
        env={**os.environ, "COLOUR": "green"},
        cwd=tmp_path,
    )
    assert child.wait(20) == 0
    assert (tmp_path / "log").read_text() == f"green {tmp_path.resolve()}\n"


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("", 0),
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_the_exit_code_is_that_of_the_command(program: str, code: int, tmp_path: Path) -> None:
    child = python(program, tmp_path / "log")
    assert child.wait(20) == code
    assert child.poll() == code
    assert child.stop() == code


def test_a_command_that_does_not_exist_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="could not start"):
        Child([tmp_path / "missing"], log=tmp_path / "log")


def test_sigterm_ends_a_child_and_its_pid_is_its_own(tmp_path: Path) -> None:
    child = python(
        "import os, time; print(os.getpid(), flush=True); time.sleep(600)", tmp_path / "l"
    )
    assert pids_told(tmp_path / "l", 1) == [child.pid]
    assert child.poll() is None
    assert child.stop() == 128 + signal.SIGTERM
    assert not is_running(child.pid)


def test_several_that_ignore_sigterm_share_one_grace_and_take_their_children_along(
    tmp_path: Path,
) -> None:
    logs = [tmp_path / str(number) for number in range(3)]
    children = [python(STUBBORN, log) for log in logs]
    pids = [pid for log in logs for pid in pids_told(log, 2)]
    started = time.monotonic()
    codes = stop_all(children, grace_seconds=2)
    assert codes == [128 + signal.SIGKILL] * 3
    assert time.monotonic() - started < 10  # what `up` promises of its end
    assert not any(map(is_running, pids))


def test_a_frozen_child_ends_by_sigterm(tmp_path: Path) -> None:
    child = python(PATIENT, tmp_path / "log")
    child.signal(signal.SIGSTOP)
    assert child.stop() == 128 + signal.SIGTERM


@pytest.mark.parametrize("program", [STUBBORN, PATIENT])
def test_sigkill_of_the_parent_ends_the_child_and_its_children(
    program: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, program, str(log)], stdout=subprocess.PIPE, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        pids = {int(parent.stdout.readline())}
        wait_until(lambda: b"\n" in log.read_bytes(), 20)
        if program is STUBBORN:
            pids |= set(pids_told(log, 2))
        assert all(map(is_running, pids)), "the end of the thread that started it is no reason"
        parent.kill()
        parent.wait()
        wait_until(lambda: not any(map(is_running, pids)), 10)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_sigkill_of_the_guard_ends_the_child(tmp_path: Path) -> None:
    child = python(PATIENT, tmp_path / "log")
    guard = int(Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: not is_running(child.pid), 10)
    assert child.stop() == -signal.SIGKILL


def test_children_can_be_started_from_many_threads_at_once(tmp_path: Path) -> None:
    children: list[Child] = []

    def start(number: int) -> None:
        children.append(python(PATIENT, tmp_path / str(number)))

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = stop_all(children)
    assert codes == [128 + signal.SIGTERM] * 8
