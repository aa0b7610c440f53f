"""The pages for operators and subscribers say what the table says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.consumers_page import PAGE, checklist
from tests.support.topics_page import PAGES, filled
from tests.support.wheels import CONTRACTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_are_made_of_the_table(page: Path) -> None:
    assert page.read_text("utf-8") == filled(page), "run `python -m tests.support.topics_page`"


def test_the_wheel_has_the_checklist_of_the_page_for_subscribers() -> None:
    assert checklist(PAGE) == checklist(CONTRACTS / "README.md")
    assert len(checklist(PAGE)) == 8
