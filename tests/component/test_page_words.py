"""What the page makes of numbers and names, without a browser: its modules in Node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.node import NODE, environment

TESTS = sorted((Path(__file__).parent / "page").glob("*.test.mjs"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_page_s_words_are_right(path: Path) -> None:
    answer = subprocess.run(
        [str(NODE), "--test", str(path)],
        env=environment(NODE_NO_WARNINGS="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stdout
    assert "# tests 0" not in answer.stdout
