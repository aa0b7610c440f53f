"""Asks and changes a Kafka cluster, and says in plain words why it could not.

A KRaft controller answers before the brokers know of a change; here it is done when they do.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from streams.adapters.errors import ClusterError
from streams.adapters.kafka import client_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from confluent_kafka.admin import ClusterMetadata

    from streams.config import Settings

REQUEST_SECONDS: Final = 15
_LOOK_SECONDS: Final = 0.05
_LOOKS: Final = 6

_MEANINGS: Final = {
    KafkaError._AUTHENTICATION: "it refused user name or password: check SASL_USERNAME and "  # noqa: SLF001  # librdkafka's own codes have such names
    "SASL_PASSWORD, and that SASL_MECHANISM is the listener's",
    KafkaError._SSL: "TLS failed: check SSL_CA_FILE, the certificate's name, and that the "  # noqa: SLF001
    "listener speaks TLS",
    KafkaError._RESOLVE: "its name is unknown here: check BOOTSTRAP_SERVERS",  # noqa: SLF001
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "not allowed on this topic: grant it to our user",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "not allowed on the cluster: grant it to our user",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "not allowed on the consumer group: grant READ to our "
    "user",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "not allowed to use transactions: grant "
    "WRITE on the transactional id to our user",
}


class Cluster:
    """A connection for questions and changes. Every method may block for 15 s."""

    def __init__(self, settings: Settings, *, timeout_seconds: float = REQUEST_SECONDS) -> None:
        """Open it.

        Raises:
            ClusterError: the client refuses its configuration, a file that can't be read, say.
        """
        self._servers = settings.bootstrap_servers
        self._timeout = timeout_seconds
        self._reported: list[KafkaError] = []
        config = {**client_config(settings), "log_level": 0, "error_cb": self._reported.append}
        try:
            self.admin = AdminClient(config)
        except KafkaException as error:
            raise ClusterError(f"the Kafka client can't be set up: {_text(error)}") from None

    def metadata(self) -> ClusterMetadata:
        """Brokers, topics, partitions.

        Raises:
            ClusterError: no broker answered; says why, as far as the client knows.
        """
        try:
            return self.admin.list_topics(timeout=self._timeout)
        except KafkaException as error:
            self.admin.poll(0)
            for reported in self._reported:
                if meaning := _MEANINGS.get(reported.code()):
                    raise ClusterError(f"Kafka at {self._servers}: {meaning}") from None
            reasons = [reported.str() for reported in self._reported] or [_text(error)]
            raise ClusterError(
                f"Kafka at {self._servers} does not answer: {reasons[0]}. Is it running, and are "
                "BOOTSTRAP_SERVERS and SECURITY_PROTOCOL those of its listener?"
            ) from None

    def create(self, topics: list[NewTopic]) -> set[str]:
        """Create topics and wait until they have leaders; returns what another one made meanwhile.

        Raises:
            ClusterError: at least one could not be created; names each, after trying all.
        """
        requests = self.admin.create_topics(topics, operation_timeout=self._timeout)
        refused, existing = [], set()
        for name, request in requests.items():
            try:
                request.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    existing.add(name)
                else:
                    refused.append(f"  {name}: {why(error)}")
        if refused:
            raise ClusterError("topics could not be created:\n" + "\n".join(refused))
        self._wait(lambda: self._have_leaders(requests), "the new topics have no leaders yet")
        return existing

    def configs(self, topics: list[str]) -> dict[str, dict[str, str]]:
        """The configuration of each topic, defaults included.

        Raises:
            ClusterError: it may not be read.
        """
        if not topics:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        answers = self.admin.describe_configs(resources, request_timeout=self._timeout)
        found, refused = {}, []
        for resource, answer in answers.items():
            try:
                entries = answer.result()
            except KafkaException as error:
                refused.append(f"  {resource.name}: {why(error)}")
            else:
                found[resource.name] = {name: str(entry.value) for name, entry in entries.items()}
        if refused:
            raise ClusterError("configurations could not be read:\n" + "\n".join(refused))
        return found

    def set_configs(self, changes: Mapping[str, Mapping[str, str]]) -> None:
        """Set these configurations of these topics and wait until the brokers have them.

        Raises:
            ClusterError: at least one was refused; names each, after trying all.
        """
        resources = [
            ConfigResource(
                ResourceType.TOPIC,
                name,
                incremental_configs=[
                    ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                    for key, value in config.items()
                ],
            )
            for name, config in changes.items()
        ]
        if not resources:
            return
        refused = []
        answers = self.admin.incremental_alter_configs(resources, request_timeout=self._timeout)
        for resource, answer in answers.items():
            try:
                answer.result()
            except KafkaException as error:
                refused.append(f"  {resource.name}: {why(error)}")
        if refused:
            raise ClusterError("configurations could not be set:\n" + "\n".join(refused))
        self._wait(lambda: self._have_configs(changes), "the brokers don't show them yet")

    def _have_leaders(self, names: Iterable[str]) -> bool:
        topics = self.metadata().topics
        return all(
            name in topics
            and topics[name].error is None
            and all(partition.leader >= 0 for partition in topics[name].partitions.values())
            for name in names
        )

    def _have_configs(self, changes: Mapping[str, Mapping[str, str]]) -> bool:
        actual = self.configs(list(changes))
        return all(config.items() <= actual[name].items() for name, config in changes.items())

    def _wait(self, is_done: Callable[[], bool], otherwise: str) -> None:
        """Any broker may answer, and each learns of a change by itself: ask several times."""
        deadline = time.monotonic() + self._timeout
        looks = _LOOKS if len(self.metadata().brokers) > 1 else 1
        in_a_row = 0
        while in_a_row < looks:
            in_a_row = in_a_row + 1 if is_done() else 0
            if not in_a_row and time.monotonic() > deadline:
                raise ClusterError(f"Kafka accepted the changes, but {otherwise}: look at its log")
            if in_a_row < looks:
                time.sleep(_LOOK_SECONDS)


def why(error: KafkaException) -> str:
    """What an answer of Kafka means, in plain words where we have them."""
    return _MEANINGS.get(error.args[0].code()) or _text(error)


def _text(error: KafkaException) -> str:
    return str(error.args[0].str())
