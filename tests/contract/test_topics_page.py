"""The page for operators says what the table says."""

from __future__ import annotations

from tests.support.topics_page import PAGE, filled


def test_the_page_of_topics_is_made_of_the_table() -> None:
    text = PAGE.read_text("utf-8")
    assert text == filled(text), "run `python -m tests.support.topics_page`"
