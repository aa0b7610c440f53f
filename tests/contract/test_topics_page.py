"""The pages for operators and subscribers say what the table says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.topics_page import PAGES, filled

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_are_made_of_the_table(page: Path) -> None:
    assert page.read_text("utf-8") == filled(page), "run `python -m tests.support.topics_page`"
