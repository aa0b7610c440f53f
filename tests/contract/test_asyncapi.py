"""The AsyncAPI document: true of the contracts, and valid by AsyncAPI's own command line."""

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
from tests.support.node import NODE, environment, installed

PACKAGE = Path(__file__).parent / "asyncapi"


def test_the_committed_document_is_that_of_the_contracts() -> None:
    assert DOCUMENT.read_text("utf-8") == text(), "run `python -m tests.support.asyncapi`"


def test_every_public_topic_is_a_channel_with_its_facts() -> None:
    public = {topic.name: topic for topic in load_topics().topics if not topic.internal}
    channels = {channel["address"]: channel for channel in document()["channels"].values()}
    assert channels.keys() == public.keys() == MESSAGES.keys()
    for name, topic in public.items():
        channel = channels[name]
        assert topic.purpose in channel["description"]
        assert channel["x-purpose"] == topic.purpose
        assert channel["x-owner"] == topic.owner
        assert channel["x-key"] == topic.key
        assert channel["x-written-by"] == list(topic.written_by)
        assert channel["x-read-by"] == list(topic.read_by)
        assert channel["x-personal-data"] == list(topic.personal_data)
        days = None if topic.retention is None else topic.retention.days
        assert channel["x-retention"] == (f"{days} days" if days else "the newest of each key")
        config = channel["bindings"]["kafka"]["topicConfiguration"]
        assert config["cleanup.policy"] == [topic.cleanup]
        assert config.get("retention.ms") == (days and days * 86_400_000)


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
def command_line() -> Path:
    """The locked npm package, installed once into the cache."""
    return installed(PACKAGE) / "node_modules" / "@asyncapi" / "cli" / "bin" / "run_bin"


def diagnosed(command_line: Path, directory: Path, content: str) -> tuple[int, list[Any]]:
    """Exit code and severities of what the AsyncAPI CLI says: 0 error, 1 warning, 2 info."""
    (directory / "asyncapi.json").write_text(content, "utf-8")
    answer = subprocess.run(
        [
            *(NODE, command_line, "validate", "asyncapi.json", "--fail-severity=warn"),
            *("--diagnostics-format=json", "--save-output=found.json"),
        ],
        cwd=directory,
        env=environment(CI="true", ASYNCAPI_METRICS_CONFIG_PATH=str(directory / "metrics")),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    file = directory / "found.json"
    assert file.exists(), answer.stderr
    return answer.returncode, [one["severity"] for one in json.loads(file.read_text("utf-8"))]


def test_the_official_command_line_finds_nothing(command_line: Path, tmp_path: Path) -> None:
    assert diagnosed(command_line, tmp_path, DOCUMENT.read_text("utf-8")) == (0, [])


@pytest.mark.parametrize(
    ("was", "becomes", "expected"),
    [
        ("schemas/CheckoutAbandonedV1", "schemas/Gone", (1, [0])),
        ('"asyncapi": "3.1.0"', '"asyncapi": "3.0.0"', (0, [2])),
    ],
    ids=["a dangling reference is an error", "an older version is only a remark"],
)
def test_the_official_command_line_tells_errors_from_remarks(
    command_line: Path, tmp_path: Path, was: str, becomes: str, expected: tuple[int, list[int]]
) -> None:
    changed = text().replace(was, becomes)
    assert changed != text()
    assert diagnosed(command_line, tmp_path, changed) == expected
