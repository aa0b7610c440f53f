"""The topics of an installation: the table of ``deploy/topics.yaml``, made and compared.

Invariant: nothing is ever deleted or shrunk, and partition counts are never changed: keys would
move to other partitions than their state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from streams.adapters.kafka import client_config
from streams.config import ConfigurationError, parse_duration

if TYPE_CHECKING:
    from pathlib import Path

    from streams.config import Settings

SOURCE: Final = "wix.abandoned-checkouts.v1"
EVENTS: Final = "checkout-recovery.events.v1"
CONVERSION: Final = "checkout-recovery.conversion.v1"
DEAD_LETTERS: Final = "checkout-recovery.dead-letters.v1"
FACTS: Final = "checkout-recovery.conversion-facts.v1"
GROUP: Final = "checkout-recovery"

_REQUEST_SECONDS: Final = 15
#: The source must hold what a recomputation of the longest window needs, and a long weekend.
_SOURCE_MARGIN: Final = timedelta(days=3)


class Topic(BaseModel):
    """One row of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    purpose: str
    owner: str
    key: str
    value: str
    personal_data: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    cleanup: str = Field(pattern="^(delete|compact)$")
    retention: timedelta | None = None
    max_message_bytes: int = Field(ge=1024)
    internal: bool = False

    @field_validator("retention", mode="before")
    @classmethod
    def _read_retention(cls, value: object) -> object:
        return parse_duration(value) if isinstance(value, str) else value

    def config(self, *, min_insync_replicas: int) -> dict[str, str]:
        """Kafka's configuration of the topic."""
        config = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(min_insync_replicas),
            "message.timestamp.type": "CreateTime",
        }
        if self.retention is not None:
            config["retention.ms"] = str(int(self.retention.total_seconds() * 1000))
        if self.cleanup == "compact":
            config["min.cleanable.dirty.ratio"] = "0.3"
            config["delete.retention.ms"] = "86400000"
            config["segment.ms"] = "86400000"
        return config


class TopicTable(BaseModel):
    """The whole table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partitions: int = Field(ge=1)
    replication_factor: int = Field(ge=1)
    min_insync_replicas: int = Field(ge=1)
    topics: tuple[Topic, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to a topic."""

    topic: str
    what: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a topic, and what to do."""

    topic: str
    what: str
    mend: str


def load_topics(path: Path | None = None) -> TopicTable:
    """The table of a file; by default the one that comes with the package.

    Raises:
        ConfigurationError: the file can't be read as a table; names row and field.
    """
    source = files("schemas").joinpath("topics.yaml") if path is None else path
    try:
        return TopicTable.model_validate(yaml.safe_load(source.read_text("utf-8")))
    except OSError as error:
        raise ConfigurationError(f"can't read the topics file {source}: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source} is no YAML: {error}") from None
    except ValidationError as error:
        lines = [
            f"  {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ConfigurationError(f"{source} is no topic table:\n" + "\n".join(lines)) from None


def apply_topics(
    settings: Settings, *, is_development: bool = False, partitions: int | None = None
) -> list[Change]:
    """Create what is missing and set what differs; safe to repeat.

    ``is_development`` lowers replication to the number of brokers; ``partitions`` overrides the
    table's for topics that don't exist yet.

    Raises:
        KafkaException: the cluster can't be reached, or refuses.
    """
    table = load_topics(settings.topics_file)
    admin = AdminClient(client_config(settings))
    metadata = admin.list_topics(timeout=_REQUEST_SECONDS)
    replication, in_sync = table.replication_factor, table.min_insync_replicas
    if is_development:
        replication = min(replication, len(metadata.brokers))
        in_sync = max(1, min(in_sync, replication - 1))
    wanted = {settings.topic(topic.name): topic for topic in table.topics}
    missing = [name for name in wanted if name not in metadata.topics]
    changes = []
    if missing:
        requests = admin.create_topics(
            [
                NewTopic(
                    name,
                    partitions or table.partitions,
                    replication,
                    config=wanted[name].config(min_insync_replicas=in_sync),
                )
                for name in missing
            ],
            operation_timeout=_REQUEST_SECONDS,
        )
        for name, request in requests.items():
            try:
                request.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
            changes.append(
                Change(
                    name,
                    f"created: {partitions or table.partitions} partitions, {replication} replicas",
                )
            )
    present = [name for name in wanted if name not in missing]
    actual = _describe(admin, present)
    for name in present:
        config = wanted[name].config(min_insync_replicas=in_sync)
        differing = {k: v for k, v in config.items() if actual[name].get(k) != v}
        if differing:
            _alter(admin, name, differing)
            what = ", ".join(f"{k} {actual[name].get(k)} → {v}" for k, v in differing.items())
            changes.append(Change(name, f"changed: {what}"))
    return changes


def check_topics(settings: Settings, *, is_development: bool = False) -> list[Problem]:
    """Compare the cluster's topics with the table; an empty list means that all is well.

    Raises:
        KafkaException: the cluster can't be reached.
    """
    table = load_topics(settings.topics_file)
    admin = AdminClient(client_config(settings))
    metadata = admin.list_topics(timeout=_REQUEST_SECONDS)
    problems = []
    present = {}
    for topic in table.topics:
        name = settings.topic(topic.name)
        if name in metadata.topics:
            present[name] = topic
        else:
            problems.append(Problem(name, "does not exist", "run `checkout-recovery topics apply`"))
    source = metadata.topics.get(settings.topic(SOURCE))
    expected = len(source.partitions) if source is not None else table.partitions
    actual = _describe(admin, list(present))
    needed = settings.windows[-1] + settings.horizon + _SOURCE_MARGIN
    for name, topic in present.items():
        partitions = metadata.topics[name].partitions
        if len(partitions) != expected:
            problems.append(
                Problem(
                    name,
                    f"has {len(partitions)} partitions, the source has {expected}",
                    "all topics need the same count: delete and create it anew, or the source",
                )
            )
        replicas = min(len(partition.replicas) for partition in partitions.values())
        if not is_development and replicas < table.replication_factor:
            problems.append(
                Problem(
                    name,
                    f"has {replicas} replicas, the table wants {table.replication_factor}",
                    "reassign its partitions, or lower replication_factor in the table",
                )
            )
        config = topic.config(min_insync_replicas=table.min_insync_replicas)
        if is_development:
            del config["min.insync.replicas"]
        problems.extend(
            Problem(
                name,
                f"{key} is {actual[name].get(key)}, the table wants {value}",
                "run `checkout-recovery topics apply`",
            )
            for key, value in config.items()
            if actual[name].get(key) != value
        )
        if topic.name == SOURCE and (topic.retention or needed) < needed:
            problems.append(
                Problem(
                    name,
                    f"is kept for {topic.retention}, the longest window and the horizon need "
                    f"{needed}",
                    "raise its retention in the table and run `checkout-recovery topics apply`",
                )
            )
    return problems


def _describe(admin: AdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = admin.describe_configs(resources, request_timeout=_REQUEST_SECONDS)
    return {
        resource.name: {entry.name: str(entry.value) for entry in answer.result().values()}
        for resource, answer in answers.items()
    }


def _alter(admin: AdminClient, name: str, config: dict[str, str]) -> None:
    resource = ConfigResource(
        ResourceType.TOPIC,
        name,
        incremental_configs=[
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in config.items()
        ],
    )
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result()
