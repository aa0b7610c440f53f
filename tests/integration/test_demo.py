"""The demo as a newcomer runs it, with workers killed under it; `up` and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import is_running
from tests.support.services import status, wait_until
from tests.support.signing import public_pem
from tests.support.up import COMMAND

pytestmark = [pytest.mark.kafka, pytest.mark.alone]


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in path.read_text().split()] if path.exists() else []
    return [*found, *(grandchild for child in found for grandchild in children_of(child))]


def workers_below(pid: int) -> list[int]:
    """Pids of the worker children, in the order of their start."""
    found = []
    for child in children_of(pid):
        try:
            line = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        except FileNotFoundError:
            continue
        if "--child" in line and line[0] == sys.executable and "guard" not in " ".join(line):
            found.append(child)
    return found


@pytest.mark.timeout(600)
def test_the_demo_ends_equal_although_each_worker_is_killed_three_times(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    command = [*COMMAND, "demo", "--json", "--data-dir", str(tmp_path / "data")]
    with log.open("wb") as output:
        demo = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        killed = kill_each_worker_three_times(demo.pid, log)
        demo.send_signal(signal.SIGINT)  # not --seconds: a slow machine takes longer to kill
        code = demo.wait(150)
    finally:
        demo.kill()
        demo.wait()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    result = lines[-1]
    assert len(killed) == 6
    told = [line["event"] for line in lines if "event" in line]
    assert any(re.match(r"look: +http://127\.0\.0\.1:\d+/#token=crt_\S+$", text) for text in told)
    assert result["audit"] == "equal", result["differences"]
    assert code == 0
    assert result["counts"]["webhooks answered 200"] > 1000
    assert result["counts"]["conversion records recomputed"] > 100
    assert result["counts"]["timelines asked of the API"] == 200


def kill_each_worker_three_times(demo: int, log: Path) -> set[int]:
    """Kill -9, one by one, each time after the figures have moved; their pids."""

    def figures() -> int:
        return log.read_bytes().count(b'"announced": {"')

    wait_until(figures, 90, log.read_text)
    killed = set()
    for position in (0, 1) * 3:
        wait_until(lambda: len(workers_below(demo)) == 2, 60, log.read_text)
        victim = workers_below(demo)[position]
        killed.add(victim)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda gone=victim: gone not in workers_below(demo), 20)  # type: ignore[misc]  # bound now
        before = figures()
        wait_until(lambda n=before: figures() > n, 60, log.read_text)  # type: ignore[misc]  # bound now
    return killed


def test_up_prints_its_line_and_sigterm_ends_everything(tmp_path: Path) -> None:
    process, line = start_up(tmp_path)
    assert set(line) == {"ingress_url", "api_url", "api_token", "bootstrap_servers", "pids"}
    asked = urllib.request.Request(
        f"{line['api_url']}/v1/conversion", headers={"Authorization": line["api_token"]}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert json.load(answer)["sites"] == []
    assert status(line["ingress_url"].replace("/webhooks/wix", "/readyz")) == 200
    below = children_of(process.pid)
    assert set(line["pids"].values()) <= set(below)
    process.terminate()
    assert process.wait(10) == 0
    wait_until(lambda: not any(map(is_running, below)), 2)


def test_sigkill_of_up_leaves_no_process_behind(tmp_path: Path) -> None:
    process, _ = start_up(tmp_path)
    below = children_of(process.pid)
    assert len(below) >= 6
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_running, below)), 15)


def start_up(directory: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    (directory / "app.pem").write_text(public_pem())
    process = subprocess.Popen(
        [
            *(*COMMAND, "up", "--json"),
            *("--wix-public-key", str(directory / "app.pem")),
            *("--data-dir", str(directory / "data")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    started = time.monotonic()
    assert process.stdout is not None
    with process.stdout:
        line = json.loads(process.stdout.readline())
    assert time.monotonic() - started < 25
    return process, line


@pytest.mark.parametrize("command", [[], ["demo"], ["up"], ["simulate"], ["topics"], ["worker"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    answer = subprocess.run(
        [*COMMAND, *command, "--help"], capture_output=True, text=True, check=True
    )
    assert re.search(r"Usage:", answer.stdout)


def test_settings_that_cant_be_used_are_listed_all_at_once() -> None:
    answer = subprocess.run(
        [*COMMAND, "worker"],
        env={
            **os.environ,
            "CHECKOUT_RECOVERY_COMMIT_INTERVAL_MS": "fast",
            "CHECKOUT_RECOVERY_HORIZON": "soon",
            "CHECKOUT_RECOVERY_SASL_PASSWORD": "hunter2",
            "CHECKOUT_RECOVERY_SECURITY_PROTOCOL": "TELNET",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    for name in ("COMMIT_INTERVAL_MS", "HORIZON", "SECURITY_PROTOCOL"):
        assert f"CHECKOUT_RECOVERY_{name}" in answer.stderr
    assert "hunter2" not in answer.stderr + answer.stdout
