"""Makes and compares the topics of an installation.

Invariant: nothing is ever deleted, shortened or shrunk, and partition counts and cleanup policies
are never changed: keys would move away from their state, or records would vanish.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from confluent_kafka.admin import NewTopic

from streams.adapters.cluster import Cluster
from streams.adapters.errors import ClusterError
from streams.adapters.topic_table import Topic, TopicTable, load_topics

if TYPE_CHECKING:
    from confluent_kafka.admin import ClusterMetadata, TopicMetadata

    from streams.config import Settings

__all__ = [
    "API_GROUP",
    "CONVERSION",
    "DEAD_LETTERS",
    "EVENTS",
    "FACTS",
    "GROUP",
    "SOURCE",
    "Change",
    "Problem",
    "Topic",
    "TopicTable",
    "apply_topics",
    "check_partitions",
    "check_topics",
    "load_topics",
]

SOURCE: Final = "wix.abandoned-checkouts.v1"
EVENTS: Final = "checkout-recovery.events.v1"
CONVERSION: Final = "checkout-recovery.conversion.v1"
DEAD_LETTERS: Final = "checkout-recovery.dead-letters.v1"
FACTS: Final = "checkout-recovery.conversion-facts.v1"
GROUP: Final = "checkout-recovery"
#: With a database's own id behind it: the processes of the API that share the database.
API_GROUP: Final = f"{GROUP}-api-"

#: Beyond the longest window and the horizon, for a long weekend of downtime.
_SOURCE_MARGIN: Final = timedelta(days=3)
#: A cluster's value above the table's keeps more, accepts more or is safer: it stays.
_AT_LEAST: Final = frozenset({"retention.ms", "max.message.bytes", "min.insync.replicas"})
_NEVER_CHANGED: Final = "cleanup.policy"
_APPLY: Final = "run `checkout-recovery topics apply`"


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


def apply_topics(
    settings: Settings, *, is_development: bool = False, partitions: int | None = None
) -> list[Change]:
    """Create what is missing and raise what is too low; safe to repeat, and to run twice at once.

    ``is_development`` lowers replication to the number of brokers. A new topic gets the source's
    partition count; if there is no source yet, ``partitions``, by default the table's.

    Raises:
        ConfigurationError: the table can't be used.
        ClusterError: the cluster can't be reached, is too small for the table, or refuses.
    """
    table = load_topics(settings.topics_file)
    cluster = Cluster(settings)
    metadata = cluster.metadata()
    replication = _replication(table, len(metadata.brokers), is_development=is_development)
    in_sync = table.min_insync_replicas
    if is_development:
        in_sync = max(1, min(in_sync, replication - 1))
    wanted = {settings.topic(topic.name): topic for topic in table.topics}
    source = metadata.topics.get(settings.topic(SOURCE))
    count = len(source.partitions) if source is not None else partitions or table.partitions
    missing = [name for name in wanted if name not in metadata.topics]
    changes = []
    if missing:
        requests = [
            NewTopic(
                name, count, replication, config=wanted[name].config(min_insync_replicas=in_sync)
            )
            for name in missing
        ]
        made_by_another = cluster.create(requests)
        changes = [
            Change(name, f"created: {count} partitions, {replication} replicas")
            for name in missing
            if name not in made_by_another
        ]
    return changes + _raise_configs(
        cluster,
        {
            name: topic.config(min_insync_replicas=min(in_sync, _replicas(metadata.topics[name])))
            for name, topic in wanted.items()
            if name not in missing
        },
    )


def check_topics(settings: Settings, *, is_development: bool = False) -> list[Problem]:
    """Compare the cluster's topics with the table; an empty list means that all is well.

    ``is_development`` leaves replication out.

    Raises:
        ConfigurationError: the table can't be used.
        ClusterError: the cluster can't be reached, or refuses.
    """
    table = load_topics(settings.topics_file)
    cluster = Cluster(settings)
    metadata = cluster.metadata()
    wanted = {settings.topic(topic.name): topic for topic in table.topics}
    present = [name for name in wanted if name in metadata.topics]
    problems = check_partitions(settings, metadata)
    if not is_development:
        problems += _replication_problems(table, metadata, present)
    actual = cluster.configs(present)
    for name in present:
        config = wanted[name].config(min_insync_replicas=table.min_insync_replicas)
        if is_development:
            del config["min.insync.replicas"]
        problems += [
            Problem(
                name,
                f"{key} is {actual[name].get(key)}, the table wants {value}",
                "set it by hand: it decides what is deleted" if key == _NEVER_CHANGED else _APPLY,
            )
            for key, value in config.items()
            if _differs(key, actual[name].get(key), value)
        ]
    source = settings.topic(SOURCE)
    if source in actual:
        problems += _source_problems(settings, source, int(actual[source]["retention.ms"]))
    return problems


def check_partitions(settings: Settings, metadata: ClusterMetadata) -> list[Problem]:
    """Whether every topic exists, with the source's partition count: what no worker can do without.

    Raises:
        ConfigurationError: the table can't be used.
    """
    names = [settings.topic(topic.name) for topic in load_topics(settings.topics_file).topics]
    missing = [
        Problem(name, "does not exist", _APPLY) for name in names if name not in metadata.topics
    ]
    present = [name for name in names if name in metadata.topics]
    return missing + _partition_problems(settings, metadata, present)


def _replication(table: TopicTable, brokers: int, *, is_development: bool) -> int:
    if is_development:
        return min(table.replication_factor, brokers)
    if brokers < table.replication_factor:
        raise ClusterError(
            f"the table wants {table.replication_factor} replicas and the cluster has {brokers} "
            f"broker{'s' * (brokers != 1)}: start more, or run `checkout-recovery topics apply "
            "--development` where losing data is no harm"
        )
    return table.replication_factor


def _raise_configs(cluster: Cluster, wanted: dict[str, dict[str, str]]) -> list[Change]:
    actual = cluster.configs(list(wanted))
    differing = {
        name: {
            key: value
            for key, value in config.items()
            if key != _NEVER_CHANGED and _differs(key, actual[name].get(key), value)
        }
        for name, config in wanted.items()
    }
    cluster.set_configs({name: config for name, config in differing.items() if config})
    return [
        Change(
            name,
            "changed: " + ", ".join(f"{k} {actual[name].get(k)} → {v}" for k, v in config.items()),
        )
        for name, config in differing.items()
        if config
    ]


def _differs(key: str, actual: str | None, wanted: str) -> bool:
    if key in _AT_LEAST and actual is not None:
        is_endless = key == "retention.ms" and int(actual) < 0
        return not is_endless and int(actual) < int(wanted)
    return actual != wanted


def _partition_problems(
    settings: Settings, metadata: ClusterMetadata, present: list[str]
) -> list[Problem]:
    counts = {name: len(metadata.topics[name].partitions) for name in present}
    source = settings.topic(SOURCE)
    if source not in counts:
        return []
    return [
        Problem(
            name,
            f"has {count} partition{'s' * (count != 1)}, the source has {counts[source]}",
            "all topics need the same count, and adding partitions would move keys: create a new "
            "installation with another CHECKOUT_RECOVERY_TOPIC_PREFIX, or, if nothing was written "
            "to it yet, delete this topic and run `checkout-recovery topics apply`",
        )
        for name, count in counts.items()
        if count != counts[source]
    ]


def _replication_problems(
    table: TopicTable, metadata: ClusterMetadata, present: list[str]
) -> list[Problem]:
    return [
        Problem(
            name,
            f"has {replicas} replica{'s' * (replicas != 1)}, the table wants "
            f"{table.replication_factor}",
            "reassign its partitions (kafka-reassign-partitions), or lower replication_factor in "
            "the table",
        )
        for name in present
        if (replicas := _replicas(metadata.topics[name])) < table.replication_factor
    ]


def _replicas(topic: TopicMetadata) -> int:
    return min(len(partition.replicas) for partition in topic.partitions.values())


def _source_problems(settings: Settings, name: str, retention_ms: int) -> list[Problem]:
    """What is kept must hold what a recomputation of the longest window needs."""
    needed = max(settings.windows) + settings.horizon + _SOURCE_MARGIN
    kept = timedelta(milliseconds=retention_ms)
    if retention_ms < 0 or kept >= needed:
        return []
    return [
        Problem(
            name,
            f"keeps {kept.days} d, but the longest window, the horizon and 3 d are {needed.days} d",
            f"raise its retention in the table to {needed.days}d and {_APPLY}, or set shorter "
            "CHECKOUT_RECOVERY_WINDOWS",
        )
    ]
