"""The AsyncAPI document: true of the contracts, and valid by AsyncAPI's own parser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from streams.adapters.topics import load_topics
from tests.support.asyncapi import DOCUMENT, MESSAGES, document, identifier, text
from tests.support.examples import DIRECTORY as EXAMPLES
from tests.support.node import NODE, installed

PACKAGE = Path(__file__).parent / "asyncapi"


def test_the_committed_document_is_that_of_the_contracts() -> None:
    assert DOCUMENT.read_text("utf-8") == text(), "run `python -m tests.support.asyncapi`"


def test_every_public_topic_is_a_channel_with_its_facts() -> None:
    public = {topic.name: topic for topic in load_topics().topics if not topic.internal}
    channels = {channel["address"]: channel for channel in document()["channels"].values()}
    assert channels.keys() == public.keys() == MESSAGES.keys()
    for name, topic in public.items():
        assert channels[name]["x-owner"] == topic.owner
        assert channels[name]["x-read-by"] == list(topic.read_by)
        assert channels[name]["x-personal-data"] == list(topic.personal_data)


@pytest.mark.parametrize(
    "file", sorted(EXAMPLES.rglob("*.json")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_every_example_is_valid_by_the_document_alone(file: Path) -> None:
    content = json.loads(file.read_text("utf-8"))
    topic = file.parent.name
    kind = content["value"]["type"] if "type" in content["value"] else next(iter(MESSAGES[topic]))
    whole = document()
    message = whole["components"]["messages"][identifier(kind)]
    for schema, value in (("payload", content["value"]), ("headers", content["headers"])):
        resolved = {**message[schema], "components": whole["components"]}
        assert list(Draft202012Validator(resolved).iter_errors(value)) == []


def test_every_message_has_an_example() -> None:
    for name, message in document()["components"]["messages"].items():
        assert message["examples"], name


@pytest.fixture(scope="module")
def parser() -> Path:
    """The locked npm package, installed once into the cache."""
    return installed(PACKAGE)


def diagnostics(parser: Path, value: dict[str, Any]) -> list[dict[str, Any]]:
    answer = subprocess.run(
        [NODE, PACKAGE / "validate.mjs"],
        cwd=parser,
        input=json.dumps(value),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = json.loads(answer.stdout)
    assert isinstance(found, list)
    return found


def test_the_official_parser_finds_nothing(parser: Path) -> None:
    assert diagnostics(parser, document()) == []


def test_the_official_parser_does_find_a_dangling_reference(parser: Path) -> None:
    broken = document()
    broken["components"]["messages"]["checkout_abandoned"]["payload"]["$ref"] += "x"
    assert diagnostics(parser, broken)[0]["severity"] == 0
