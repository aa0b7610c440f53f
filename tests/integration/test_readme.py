"""What the README tells a person to do, done."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.__main__ import app
from tests.support.services import wait_until
from tests.support.up import COMMAND

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_simulator_and_the_subscriber_of_the_readme_work(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    first = keys / "simulated.pem"
    with subprocess.Popen(
        [
            *COMMAND,
            "simulate",
            "http://127.0.0.1:9/",
            "--public-key",
            str(first),
            "--seconds",
            "0.1",
        ]
    ) as warm_up:
        warm_up.wait(30)
    with subprocess.Popen(
        [*COMMAND, "up", "--json", "--wix-public-key", str(keys)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as up:
        assert up.stdout is not None
        line = json.loads(up.stdout.readline())
        answer = subprocess.run(
            [
                *(*COMMAND, "simulate", line["ingress_url"], "--public-key", str(first)),
                *("--seconds", "12", "--rate", "20", "--json"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        result = json.loads(answer.stdout)
        assert result["answers"]["200"] > 50, result
        (snippet,) = re.findall(r"```python\n(.*?)```", PAGES[0].read_text(), re.DOTALL)
        source = snippet.replace("127.0.0.1:9092", line["bootstrap_servers"])
        with (
            (tmp_path / "seen").open("w") as seen,
            subprocess.Popen([sys.executable, "-u", "-c", source], stdout=seen) as subscriber,
        ):
            wait_until(lambda: "checkout.recovered" in (tmp_path / "seen").read_text(), 30)
            subscriber.terminate()
        started = time.monotonic()
        up.terminate()
        assert up.wait(10) == 0
        assert time.monotonic() - started < 10
    assert "checkout.abandoned" in (tmp_path / "seen").read_text()


def test_every_command_in_the_documents_exists() -> None:
    named = set()
    for page in PAGES:
        for found in re.findall(r"checkout-recovery ((?:[a-z-]+ ?)+)", page.read_text()):
            named.add(tuple(found.split()))
    pairs = (
        *product(["topics"], ["apply", "check"]),
        *product(["schemas"], ["register", "check"]),
        *product(["dead-letters"], LETTERS),
        *product(["workers"], ["list", "remove"]),
    )
    known = {*pairs, *((name,) for name in COMMANDS)}
    for words in named:
        assert words[:2] in known or words[:1] in known, words


COMMANDS = (
    *("demo", "up", "ingress", "worker", "api", "new-token", "topics", "schemas", "simulate"),
    *("doctor", "dead-letters", "workers"),
)
LETTERS = ("list", "replay")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_has_a_help_text(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), (page.name, target)
