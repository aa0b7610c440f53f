"""Records taken from the topics of a running product, read by others' libraries alone.

Each is decoded by the three official CloudEvents SDKs and checked by an independent validator of
JSON Schema. The committed examples are read the same way, for their unusual cases.
"""

from __future__ import annotations

import base64
import json
import subprocess
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator

from schemas.golden import golden_records
from schemas.headers import HEADERS
from schemas.lifecycle import EVENT_TYPES
from streams.adapters.topics import CONVERSION, EVENTS, SOURCE
from streams.demo.stack import Stack, StackOptions
from tests.support.java import compiled
from tests.support.services import read_all, wait_until
from tests.support.shop import Shop
from tests.support.signing import public_pem
from tests.support.subscribers import node_script
from tests.support.wheels import CONSUMERS, CONTRACTS

pytestmark = pytest.mark.kafka

FOLDER = Path(__file__).parent / "cloudevents"
TOPICS = (SOURCE, EVENTS, CONVERSION)
ALL_TYPES = {
    f"checkout.{n}" for n in ("abandoned", "changed", "recovered", "anonymized", "deleted")
}


@dataclass(frozen=True)
class Published:
    """A record that somebody may read."""

    topic: str
    key: str
    headers: dict[str, str]
    value: bytes

    def line(self) -> str:
        value = base64.b64encode(self.value).decode()
        return json.dumps({"key": self.key, "headers": self.headers, "value": value})

    def attributes(self) -> dict[str, str]:
        """What CloudEvents calls its headers."""
        named = {
            name.removeprefix("ce_"): text
            for name, text in self.headers.items()
            if name.startswith("ce_")
        }
        return {**named, "datacontenttype": self.headers["content-type"]}


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> list[Published]:
    """Every record of the public topics after a day in the life of a shop, and every example."""
    key = tmp_path_factory.mktemp("keys") / "app.pem"
    key.write_text(public_pem())
    with Stack(StackOptions((key,))) as stack:
        shop = Shop(stack.ingress_url)
        usual, unusual = str(uuid.uuid4()), str(uuid.uuid4())
        shop.tell(usual, "created")
        shop.tell(usual, "updated", totalPrice={"amount": "99.00"})
        shop.tell(usual, "recovered", status="RECOVERED")
        shop.tell(unusual, "created")
        shop.tell(unusual, "updated", is_anonymize=True)
        shop.tell(unusual, "deleted")

        def records(topic: str) -> list[Published]:
            return [
                Published(
                    topic,
                    (message.key() or b"").decode(),
                    {
                        name: str(text, "utf-8")
                        for name, text in dict(message.headers() or []).items()
                        if isinstance(text, bytes)
                    },
                    message.value() or b"",
                )
                for message in read_all(stack.settings, topic)
            ]

        wait_until(
            lambda: {one.headers["ce_type"] for one in records(EVENTS)} == set(EVENT_TYPES), 60
        )
        wait_until(lambda: records(CONVERSION), 60)
        found = [one for topic in TOPICS for one in records(topic)]
    for topic in TOPICS:
        for golden in golden_records(topic).values():
            headers = {name: text.decode() for name, text in golden.headers.items()}
            found.append(
                Published(topic, (golden.key or b"").decode(), headers, golden.value or b"")
            )
    return found


def decoded_by(command: list[str], records: list[Published]) -> list[dict[str, Any]]:
    answer = subprocess.run(
        command,
        input="".join(record.line() + "\n" for record in records),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def is_same(name: str, text: str, found: str) -> bool:
    """Equal texts; a time may be written otherwise, and JavaScript's has milliseconds only."""
    if name != "time":
        return text == found
    difference = datetime.fromisoformat(text) - datetime.fromisoformat(found)
    return abs(difference.total_seconds()) < 0.001


def check(records: list[Published], decoded: list[dict[str, Any]]) -> None:
    assert len(records) == len(decoded) > 20
    for record, found in zip(records, decoded, strict=True):
        for name, text in record.attributes().items():
            assert is_same(name, text, found[name]), (record.topic, name, text, found[name])
        assert found["data"] == json.loads(record.value)


def test_the_sdk_for_python_decodes_every_record(taken: list[Published]) -> None:
    decoded = []
    for record in taken:
        headers = {name: text.encode() for name, text in record.headers.items()}
        event = from_binary(KafkaMessage(headers, record.key, record.value), JSONFormat())
        attributes = {**event.get_attributes(), "time": str(event.get_time())}
        decoded.append({**attributes, "data": event.get_data()})
        assert attributes["partitionkey"] == record.key
    check(taken, decoded)


def test_the_sdk_for_java_decodes_every_record(taken: list[Published], tmp_path: Path) -> None:
    command = compiled([FOLDER / "Decode.java"], tmp_path)
    check(taken, decoded_by([*command, "Decode"], taken))


def test_the_sdk_for_javascript_decodes_every_record(
    taken: list[Published], tmp_path: Path
) -> None:
    command = node_script(FOLDER / "decode.mjs", CONSUMERS / "javascript", tmp_path)
    check(taken, decoded_by(command, taken))


@pytest.mark.parametrize("topic", TOPICS)
def test_every_value_is_valid_by_the_published_schema_and_an_independent_validator(
    taken: list[Published], topic: str
) -> None:
    schema = json.loads((CONTRACTS / "json" / f"{topic}.json").read_text("utf-8"))
    validator = Draft202012Validator(schema)
    values = [json.loads(record.value) for record in taken if record.topic == topic]
    assert values
    for value in values:
        assert list(validator.iter_errors(value)) == []


@pytest.mark.parametrize("topic", TOPICS)
def test_every_header_is_declared_and_the_required_are_there(
    taken: list[Published], topic: str
) -> None:
    declared = {header.name for header in HEADERS[topic]}
    schema = json.loads((CONTRACTS / "json" / "headers" / f"{topic}.json").read_text("utf-8"))
    validator = Draft202012Validator(schema)
    for record in taken:
        if record.topic == topic:
            assert list(validator.iter_errors(record.headers)) == []
            assert record.headers.keys() <= declared
            assert record.headers["ce_subject"] == record.key
