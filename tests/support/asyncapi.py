"""The AsyncAPI 3.1 document of the public topics, made of the models, the headers and the table.

``python -m tests.support.asyncapi`` writes ``schemas/asyncapi.json`` anew; a test compares.
"""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from schemas.conversion import ConversionV1
from schemas.headers import HEADERS, header_schema
from schemas.lifecycle import (
    CheckoutAbandonedV1,
    CheckoutAnonymizedV1,
    CheckoutChangedV1,
    CheckoutDeletedV1,
    CheckoutRecoveredV1,
)
from schemas.source import SourceEventV1
from streams.adapters.topics import Topic, load_topics
from tests.support.examples import DIRECTORY as EXAMPLES
from tests.support.topics_page import kept

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "schemas" / "asyncapi.json"
SOURCE = "wix.abandoned-checkouts.v1"
EVENTS = "checkout-recovery.events.v1"
CONVERSION = "checkout-recovery.conversion.v1"
DEAD_LETTERS = "checkout-recovery.dead-letters.v1"

#: Of each topic: its messages by name (a CloudEvents type), their models, and the headers.
MESSAGES: dict[str, dict[str, type[BaseModel] | None]] = {
    SOURCE: {"wix.ecom.v1.abandoned_checkout": SourceEventV1},
    EVENTS: {
        "checkout.abandoned": CheckoutAbandonedV1,
        "checkout.changed": CheckoutChangedV1,
        "checkout.recovered": CheckoutRecoveredV1,
        "checkout.anonymized": CheckoutAnonymizedV1,
        "checkout.deleted": CheckoutDeletedV1,
    },
    CONVERSION: {"conversion.measured": ConversionV1},
    DEAD_LETTERS: {"dead-letter": None},
}
#: Where Wix and we name a part alike, pydantic makes names of the modules.
NAMES = {"schemas__entity__": "Wix", "schemas__lifecycle__": ""}


def document() -> dict[str, Any]:
    """The whole document."""
    table = {topic.name: topic for topic in load_topics().topics}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Checkout recovery",
            "version": project["version"],
            "description": "What became of abandoned checkouts, once and in order, and the rates "
            "of their recovery. Read with isolation.level=read_committed; ignore fields and types "
            "that you don't know. Order holds for one key.",
            "license": {"name": project["license"]},
            "tags": [{"name": "kafka"}, {"name": "cloudevents"}],
        },
        "defaultContentType": "application/json",
        "servers": servers(),
        "channels": {identifier(name): channel(table[name]) for name in MESSAGES},
        "operations": {
            f"publish_{identifier(name)}": {
                "action": "send",
                "title": f"Publish {name}",
                "summary": table[name].purpose,
                "channel": {"$ref": f"#/channels/{identifier(name)}"},
                "tags": [{"name": "kafka"}],
            }
            for name in MESSAGES
        },
        "components": {
            "schemas": schemas(),
            "messages": {
                identifier(kind): message(topic, kind, model)
                for topic, messages in MESSAGES.items()
                for kind, model in messages.items()
            },
            "securitySchemes": {
                "scram": {"type": "scramSha512", "description": "SASL SCRAM-SHA-512 over TLS."},
                "certificate": {"type": "X509", "description": "Mutual TLS."},
            },
        },
    }


def servers() -> dict[str, Any]:
    return {
        "production": {
            "host": "{bootstrap_servers}",
            "protocol": "kafka-secure",
            "description": "Your Kafka cluster; Apache Kafka 4.",
            "variables": {
                "bootstrap_servers": {
                    "default": "kafka.example:9093",
                    "description": "host:port, one or more, with commas between them.",
                }
            },
            "security": [
                {"$ref": "#/components/securitySchemes/scram"},
                {"$ref": "#/components/securitySchemes/certificate"},
            ],
        },
        "development": {
            "host": "localhost:9092",
            "protocol": "kafka",
            "description": "That of docker-compose.yml; `checkout-recovery up` prints its own.",
        },
    }


def channel(topic: Topic) -> dict[str, Any]:
    table = load_topics()
    config: dict[str, Any] = {
        "cleanup.policy": [topic.cleanup],
        "max.message.bytes": topic.max_message_bytes,
    }
    if topic.retention is not None:
        config["retention.ms"] = topic.retention // timedelta(milliseconds=1)
    return {
        "address": topic.name,
        "title": topic.name,
        "description": f"{topic.purpose} Key: {topic.key}.",
        "messages": {
            identifier(kind): {"$ref": f"#/components/messages/{identifier(kind)}"}
            for kind in MESSAGES[topic.name]
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": table.partitions,
                "replicas": table.replication_factor,
                "topicConfiguration": config,
                "bindingVersion": "0.5.0",
            }
        },
        "x-purpose": topic.purpose,
        "x-owner": topic.owner,
        "x-key": topic.key,
        "x-retention": kept(topic),
        "x-personal-data": list(topic.personal_data),
        "x-written-by": list(topic.written_by),
        "x-read-by": list(topic.read_by),
    }


def message(topic: str, kind: str, model: type[BaseModel] | None) -> dict[str, Any]:
    row = next(row for row in load_topics().topics if row.name == topic)
    described = model.__doc__ if model is not None else row.purpose
    return {
        "name": kind,
        "title": kind,
        "summary": (described or "").strip().splitlines()[0],
        "contentType": "application/json",
        "headers": headers_of(topic, kind),
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"}
        if model is not None
        else {"description": "The original bytes, whatever they are."},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": row.key}, "bindingVersion": "0.5.0"}
        },
        "examples": examples(topic, kind),
    }


def headers_of(topic: str, kind: str) -> dict[str, Any]:
    """Of a message: where a topic has several, each has its own type."""
    found = header_schema(HEADERS[topic])
    if len(MESSAGES[topic]) > 1:
        found["properties"]["ce_type"]["enum"] = [kind]
    return found


def examples(topic: str, kind: str) -> list[dict[str, Any]]:
    """At most two committed examples of a message."""
    found = []
    for file in sorted((EXAMPLES / topic).glob("*.json")):
        content = json.loads(file.read_text("utf-8"))
        if topic != EVENTS or content["value"]["type"] == kind:
            found.append(
                {
                    "name": file.stem,
                    "headers": content["headers"],
                    "payload": content["value"],
                }
            )
    return found[:2]


def schemas() -> dict[str, Any]:
    models = [
        model for messages in MESSAGES.values() for model in messages.values() if model is not None
    ]
    _, made = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    definitions = json.dumps(made["$defs"])
    for long, short in NAMES.items():
        definitions = definitions.replace(long, short)
    found = json.loads(definitions)
    assert isinstance(found, dict)
    return found


def identifier(name: str) -> str:
    """A name as AsyncAPI takes it for a key."""
    return name.replace(".", "_").replace("-", "_")


def text() -> str:
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), "utf-8")
