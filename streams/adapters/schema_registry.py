"""The contracts in a Schema Registry (Confluent's REST API), for installations that have one.

The registry tells subscribers what is in a topic; our processes need none, for values are plain
JSON. Whether one schema may follow another is decided by ``schemas.compatibility`` alone:
registries refuse what our promise allows, such as a new optional field in an open object
(docs/adr/0008).
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from schemas.compatibility import breaks
from schemas.export import json_schemas
from streams.adapters.errors import RegistryError
from streams.config import PREFIX, ConfigurationError, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka.schema_registry import SchemaRegistryClient

_TYPE: Final = "JSON"
_NO_SUBJECT: Final = 40401
#: The registry must not judge, for it judges by other rules than ours.
_LEVEL: Final = "NONE"
_CLIENT: Final = {"timeout": 20, "max.retries": 2}


class State(Enum):
    """How a subject of the registry and this release go together."""

    REGISTERED = "registered"
    NEW = "new"
    BREAKS = "breaks"


@dataclass(frozen=True, slots=True)
class SubjectState:
    """A subject, its state, and what that means: the version, or each broken rule."""

    subject: str
    state: State
    what: str


def check_schemas(settings: Settings) -> list[SubjectState]:
    """Compare this release's schemas with every version that the registry holds of their subjects.

    Changes nothing.

    Raises:
        ConfigurationError: no registry is named, or its client is not installed.
        RegistryError: the registry can't be reached, or refuses.
    """
    with _client(settings) as registry:
        return [
            _compare(registry, settings.topic(topic), schema)
            for topic, schema in json_schemas().items()
        ]


def register_schemas(settings: Settings) -> list[SubjectState]:
    """Register what is new, unless something of it breaks what is registered: then nothing is.

    Safe to repeat. Sets the compatibility level of its own subjects to ``NONE``.

    Raises:
        ConfigurationError: as ``check_schemas``.
        RegistryError: as ``check_schemas``.
    """
    found = check_schemas(settings)
    if any(one.state is State.BREAKS for one in found):
        return found
    from confluent_kafka.schema_registry import Schema  # noqa: PLC0415  # an optional extra

    with _client(settings) as registry:
        for one, schema in zip(found, json_schemas().values(), strict=True):
            if one.state is State.NEW:
                registry.set_compatibility(one.subject, _LEVEL)
                registry.register_schema(one.subject, Schema(json.dumps(schema), _TYPE))
    return check_schemas(settings)


def _compare(registry: SchemaRegistryClient, topic: str, schema: dict[str, Any]) -> SubjectState:
    subject = f"{topic}-value"
    versions = _versions(registry, subject)
    same = [version for version, held in versions.items() if held == schema]
    if same:
        return SubjectState(subject, State.REGISTERED, f"version {same[-1]} of {len(versions)}")
    broken = [
        f"version {version}: {one}"
        for version, held in versions.items()
        for one in _breaks(topic, held, schema)
    ]
    if broken:
        return SubjectState(subject, State.BREAKS, "\n".join(broken))
    return SubjectState(subject, State.NEW, f"breaks nothing of {len(versions)} versions")


def _breaks(topic: str, held: dict[str, Any] | None, schema: dict[str, Any]) -> list[str]:
    try:
        found = None if held is None else breaks(topic, held, schema)
    except (KeyError, TypeError, ValueError):  # in a way that no release of ours ever wrote
        found = None
    if found is None:
        return ["it is no JSON Schema of ours; CHECKOUT_RECOVERY_TOPIC_PREFIX keeps names apart"]
    return [f"{one.field}: {one.rule} (breaks {one.breaks})" for one in found]


def _versions(registry: SchemaRegistryClient, subject: str) -> dict[int, dict[str, Any] | None]:
    """What is registered, by version; None for a schema of another kind than ours."""
    from confluent_kafka.schema_registry import SchemaRegistryError  # noqa: PLC0415

    try:
        numbers = registry.get_versions(subject)
    except SchemaRegistryError as error:
        if error.error_code == _NO_SUBJECT:  # nothing was ever registered
            return {}
        raise
    found: dict[int, dict[str, Any] | None] = {}
    for number in sorted(numbers):
        held = registry.get_version(subject, number).schema
        schema = json.loads(held.schema_str or "null") if held.schema_type == _TYPE else None
        found[number] = schema if isinstance(schema, dict) else None
    return found


@contextmanager
def _client(settings: Settings) -> Iterator[SchemaRegistryClient]:
    """A client; what it raises is told without the address's password."""
    if settings.schema_registry_url is None:
        raise ConfigurationError(f"{PREFIX}SCHEMA_REGISTRY_URL is not set: there is no registry.")
    try:
        from confluent_kafka.schema_registry import (  # noqa: PLC0415  # an optional extra
            SchemaRegistryClient,
            SchemaRegistryError,
        )
        from httpx import TransportError  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "The Schema Registry needs the extra 'schema-registry': "
            "pip install 'checkout-recovery[schema-registry]'"
        ) from error
    where = urlsplit(settings.schema_registry_url).hostname
    try:
        with SchemaRegistryClient(_config(settings)) as client:
            yield client
    except SchemaRegistryError as error:
        raise RegistryError(
            f"The Schema Registry at {where} refuses ({error.http_status_code}, code "
            f"{error.error_code}): {error.error_message}"
        ) from error
    except TransportError as error:
        raise RegistryError(
            f"The Schema Registry at {where} can't be reached ({type(error).__name__}): look at "
            f"{PREFIX}SCHEMA_REGISTRY_URL and {PREFIX}SCHEMA_REGISTRY_CA_FILE."
        ) from error


def _config(settings: Settings) -> dict[str, Any]:
    config: dict[str, Any] = {**_CLIENT, "url": settings.schema_registry_url}
    if settings.schema_registry_username and settings.schema_registry_password:
        password = settings.schema_registry_password.get_secret_value()
        config["basic.auth.user.info"] = f"{settings.schema_registry_username}:{password}"
    if settings.schema_registry_ca_file is not None:
        config["ssl.ca.location"] = str(settings.schema_registry_ca_file)
    return config
