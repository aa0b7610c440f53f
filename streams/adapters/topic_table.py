"""The table of ``deploy/topics.yaml``: which topics an installation has, and how each is kept."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from streams.config import ConfigurationError, parse_duration

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

#: Restoring a table reads its whole changelog. A segment that is still written is not compacted,
#: so segments are small and short-lived. A removed key stays visible for a day: longer than any
#: restore takes, which would otherwise miss the removal.
_COMPACTION: Final = {
    "segment.bytes": str(64 << 20),
    "segment.ms": "21600000",
    "min.cleanable.dirty.ratio": "0.3",
    "delete.retention.ms": "86400000",
}


class Topic(BaseModel):
    """One row of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-zA-Z0-9._-]{1,200}$", description="Without the prefix.")
    purpose: str = Field(min_length=1, description="What it is for, a sentence.")
    owner: str = Field(min_length=1, description="Who answers for it.")
    key: str = Field(min_length=1, description="What a record's key is.")
    value: str = Field(min_length=1, description="What a record's value is, and its contract.")
    personal_data: tuple[str, ...] = Field(description="Kinds of personal data; none: empty.")
    written_by: tuple[str, ...] = Field(min_length=1, description="Producers.")
    read_by: tuple[str, ...] = Field(min_length=1, description="Consumers.")
    cleanup: Literal["delete", "compact"] = Field(description="Kafka's cleanup.policy.")
    retention: timedelta | None = Field(None, description="How long records stay; delete only.")
    max_message_bytes: int = Field(ge=1024, description="Largest batch of records, in bytes.")
    internal: bool = Field(False, description="Between our processes: no promise to readers.")

    @field_validator("retention", mode="before")
    @classmethod
    def _read_retention(cls, value: object) -> object:
        if value is None or isinstance(value, timedelta):
            return value
        return parse_duration(str(value))

    @model_validator(mode="after")
    def _retention_goes_with_delete(self) -> Topic:
        if (self.retention is None) is (self.cleanup == "delete"):
            raise ValueError("retention is for cleanup: delete, and is needed there")
        return self

    def config(self, *, min_insync_replicas: int) -> dict[str, str]:
        """Kafka's configuration of the topic."""
        config = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(min_insync_replicas),
            "message.timestamp.type": "CreateTime",
        }
        if self.retention is not None:
            config["retention.ms"] = str(self.retention // timedelta(milliseconds=1))
        if self.cleanup == "compact":
            config.update(_COMPACTION)
        return config


class TopicTable(BaseModel):
    """The whole table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partitions: int = Field(ge=1, description="Of every topic.")
    replication_factor: int = Field(ge=1, description="Copies of every partition.")
    min_insync_replicas: int = Field(ge=1, description="Copies that must have a record to accept.")
    topics: tuple[Topic, ...] = Field(min_length=1, description="The rows.")

    @model_validator(mode="after")
    def _is_consistent(self) -> TopicTable:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError("min_insync_replicas is above replication_factor: nothing could write")
        names = [topic.name for topic in self.topics]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"in the table twice: {', '.join(twice)}")
        return self


def load_topics(path: Path | None = None) -> TopicTable:
    """The table of a file; by default the one that comes with the package.

    Raises:
        ConfigurationError: the file can't be read as a table; names line, or topic and field.
    """
    source: Traversable = files("schemas").joinpath("topics.yaml") if path is None else path
    try:
        content = yaml.safe_load(source.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"can't read the topics file {source}: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source} is no YAML: {error}") from None
    try:
        return TopicTable.model_validate(content)
    except ValidationError as error:
        lines = [
            f"  {_place(content, problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise ConfigurationError(f"{source} is no topic table:\n" + "\n".join(lines)) from None


def _place(content: object, location: tuple[int | str, ...]) -> str:
    """Where in the file: a row by its topic's name, if it has one."""
    match content, location:
        case {"topics": list(rows)}, ("topics", int(at), *fields) if at < len(rows):
            row = rows[at]
            name = row.get("name") if isinstance(row, dict) else None
            label = f"topic {name}" if name else f"topic number {at + 1}"
            return ", ".join((label, ".".join(map(str, fields)))) if fields else label
    return ".".join(map(str, location)) or "the table"
