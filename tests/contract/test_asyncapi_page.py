"""The page of the AsyncAPI document: it says all that the document says, and fetches nothing."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from tests.support.asyncapi import DOCUMENT
from tests.support.asyncapi_page import PAGE, page, text

#: Elements without an end.
VOID = {"meta", "br", "hr"}


class Page(HTMLParser):
    """What a browser finds in it."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.words: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert name in {"id", "href", "class", "lang", "charset", "name", "content"} | {
                "aria-label"
            }
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.targets.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture(scope="module")
def shown() -> Page:
    return Page(PAGE.read_text("utf-8"))


def test_the_committed_page_is_that_of_the_document() -> None:
    assert PAGE.read_text("utf-8") == text(), "run `python -m tests.support.asyncapi_page`"


def test_it_is_whole_and_fetches_and_runs_nothing(shown: Page) -> None:
    assert shown.open == []
    assert shown.tags.isdisjoint({"script", "link", "img", "iframe", "object", "base", "form"})
    assert "url(" not in PAGE.read_text("utf-8")
    assert "@import" not in PAGE.read_text("utf-8")


def test_every_link_leads_to_one_place_in_it(shown: Page) -> None:
    assert len(shown.ids) == len(set(shown.ids))
    assert {target.removeprefix("#") for target in shown.targets} <= set(shown.ids)


def test_it_shows_every_topic_with_its_facts_every_message_field_and_header(shown: Page) -> None:
    document = json.loads(DOCUMENT.read_text("utf-8"))
    words = "\n".join(shown.words)
    for channel in document["channels"].values():
        facts = [value for name, value in channel.items() if name.startswith("x-")]
        for fact in [channel["address"], *facts]:
            assert (", ".join(fact) if isinstance(fact, list) else fact) in words
    for message in document["components"]["messages"].values():
        assert message["name"] in shown.ids
        assert message["summary"] in words
        for example in message["examples"]:
            assert example["name"] in words
        for header in message["headers"]["properties"].values():
            assert header["description"] in words
    for schema in document["components"]["schemas"].values():
        for name, content in schema["properties"].items():
            assert name in words
            assert content["description"] in words
    for server in document["servers"].values():
        assert server["description"] in words


def test_what_others_wrote_is_shown_and_not_run() -> None:
    document = json.loads(DOCUMENT.read_text("utf-8"))
    document["info"]["description"] = "<script>alert(1)</script>"
    document["components"]["messages"]["checkout_deleted"]["examples"][0]["payload"] = {
        "a": "</pre><script>"
    }
    assert "script" not in Page(page(document)).tags
