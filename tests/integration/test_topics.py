"""``topics apply`` and ``topics check`` on a real Apache Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from confluent_kafka.admin import NewTopic

from streams.adapters import topics
from streams.adapters.cluster import Cluster
from streams.adapters.errors import ClusterError
from streams.adapters.topics import Change, apply_topics, check_topics, load_topics
from streams.config import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.demo.kafka import KafkaCluster

pytestmark = pytest.mark.kafka

TABLE = Path(__file__).parents[2] / "deploy" / "topics.yaml"
DAY_MS = 86_400_000


@pytest.fixture
def with_table(
    kafka_settings: Settings, tmp_path: Path
) -> Callable[[Callable[[dict[str, Any]], None]], Settings]:
    """Settings whose table is the packaged one, changed."""

    def change(edit: Callable[[dict[str, Any]], None]) -> Settings:
        content = yaml.safe_load(TABLE.read_text("utf-8"))
        edit(content)
        file = tmp_path / "topics.yaml"
        file.write_text(yaml.safe_dump(content), "utf-8")
        return kafka_settings.model_copy(update={"topics_file": file})

    return change


def config_of(settings: Settings, name: str) -> dict[str, str]:
    topic = settings.topic(name)
    return Cluster(settings).configs([topic])[topic]


def create(settings: Settings, name: str, partitions: int = 8, **config: str) -> None:
    dotted = {key.replace("_", "."): value for key, value in config.items()}
    Cluster(settings).create([NewTopic(settings.topic(name), partitions, 1, config=dotted)])


def test_apply_creates_every_topic_of_the_table_under_the_prefix(kafka_settings: Settings) -> None:
    changes = apply_topics(kafka_settings, is_development=True)
    wanted = {kafka_settings.topic(topic.name) for topic in load_topics().topics}
    assert {change.topic for change in changes} == wanted
    metadata = Cluster(kafka_settings).metadata()
    assert {len(metadata.topics[name].partitions) for name in wanted} == {8}
    assert config_of(kafka_settings, topics.SOURCE)["retention.ms"] == str(45 * DAY_MS)
    assert config_of(kafka_settings, topics.CONVERSION)["cleanup.policy"] == "compact"


def test_apply_a_second_time_changes_nothing_and_check_is_content(kafka_settings: Settings) -> None:
    apply_topics(kafka_settings, is_development=True)
    assert apply_topics(kafka_settings, is_development=True) == []
    assert check_topics(kafka_settings, is_development=True) == []


def test_check_without_topics_names_each_and_the_command(kafka_settings: Settings) -> None:
    problems = check_topics(kafka_settings, is_development=True)
    assert len(problems) == len(load_topics().topics)
    assert {problem.what for problem in problems} == {"does not exist"}
    assert all("topics apply" in problem.mend for problem in problems)


def test_a_cluster_too_small_for_the_table_is_refused_unless_it_is_for_development(
    kafka_settings: Settings,
) -> None:
    brokers = len(Cluster(kafka_settings).metadata().brokers)
    if brokers >= load_topics().replication_factor:
        pytest.skip("this cluster is large enough")
    with pytest.raises(ClusterError, match=r"3 replicas and the cluster has 1 broker: .*--develop"):
        apply_topics(kafka_settings)
    apply_topics(kafka_settings, is_development=True)
    assert {problem.what for problem in check_topics(kafka_settings)} == {
        "has 1 replica, the table wants 3",
        "min.insync.replicas is 1, the table wants 2",
    }


def test_retention_is_raised_to_the_table_and_never_lowered(kafka_settings: Settings) -> None:
    create(kafka_settings, topics.SOURCE, retention_ms=str(DAY_MS))
    create(kafka_settings, topics.EVENTS, retention_ms=str(400 * DAY_MS))
    create(kafka_settings, topics.FACTS, retention_ms="-1")
    changes = apply_topics(kafka_settings, is_development=True)
    changed = {change.topic: change.what for change in changes}
    source = changed[kafka_settings.topic(topics.SOURCE)]
    assert f"retention.ms {DAY_MS} → {45 * DAY_MS}" in source
    assert config_of(kafka_settings, topics.SOURCE)["retention.ms"] == str(45 * DAY_MS)
    assert config_of(kafka_settings, topics.EVENTS)["retention.ms"] == str(400 * DAY_MS)
    assert config_of(kafka_settings, topics.FACTS)["retention.ms"] == "-1"
    assert check_topics(kafka_settings, is_development=True) == []


def test_a_cleanup_policy_is_reported_and_never_changed(kafka_settings: Settings) -> None:
    create(kafka_settings, topics.SOURCE, cleanup_policy="compact")
    apply_topics(kafka_settings, is_development=True)
    assert config_of(kafka_settings, topics.SOURCE)["cleanup.policy"] == "compact"
    [problem] = check_topics(kafka_settings, is_development=True)
    assert problem.topic == kafka_settings.topic(topics.SOURCE)
    assert problem.what == "cleanup.policy is compact, the table wants delete"
    assert "by hand" in problem.mend


def test_new_topics_get_the_partition_count_of_the_source(kafka_settings: Settings) -> None:
    create(kafka_settings, topics.SOURCE, partitions=3)
    apply_topics(kafka_settings, is_development=True)
    metadata = Cluster(kafka_settings).metadata()
    assert len(metadata.topics[kafka_settings.topic(topics.EVENTS)].partitions) == 3
    assert check_topics(kafka_settings, is_development=True) == []


def test_another_partition_count_than_the_sources_is_reported_and_never_changed(
    kafka_settings: Settings,
) -> None:
    create(kafka_settings, topics.FACTS, partitions=1)
    apply_topics(kafka_settings, is_development=True)
    [problem] = check_topics(kafka_settings, is_development=True)
    assert problem.topic == kafka_settings.topic(topics.FACTS)
    assert problem.what == "has 1 partition, the source has 8"
    metadata = Cluster(kafka_settings).metadata()
    assert len(metadata.topics[problem.topic].partitions) == 1


def test_a_source_kept_too_short_for_the_windows_is_reported_with_what_they_need(
    kafka_settings: Settings,
) -> None:
    apply_topics(kafka_settings, is_development=True)
    longer = load_settings(
        bootstrap_servers=kafka_settings.bootstrap_servers,
        topic_prefix=kafka_settings.topic_prefix,
        windows="1h,90d",
    )
    [problem] = check_topics(longer, is_development=True)
    assert problem.what == "keeps 45 d, but the longest window, the horizon and 3 d are 100 d"
    assert "100d" in problem.mend


def test_a_raised_table_is_applied_and_said(
    kafka_settings: Settings,
    with_table: Callable[[Callable[[dict[str, Any]], None]], Settings],
) -> None:
    apply_topics(kafka_settings, is_development=True)

    def keep_longer(content: dict[str, Any]) -> None:
        content["topics"][0]["retention"] = "100d"

    changed = with_table(keep_longer)
    assert [problem.topic for problem in check_topics(changed, is_development=True)] == [
        changed.topic(topics.SOURCE)
    ]
    assert apply_topics(changed, is_development=True) == [
        Change(
            changed.topic(topics.SOURCE),
            f"changed: retention.ms {45 * DAY_MS} → {100 * DAY_MS}",
        )
    ]
    assert check_topics(changed, is_development=True) == []


def test_topics_of_others_are_left_alone(kafka_settings: Settings) -> None:
    create(kafka_settings, "somebody-elses", partitions=1, retention_ms="1000")
    changes = apply_topics(kafka_settings, is_development=True)
    assert kafka_settings.topic("somebody-elses") not in {change.topic for change in changes}
    assert config_of(kafka_settings, "somebody-elses")["retention.ms"] == "1000"


def test_a_broker_that_is_not_there_is_said_in_plain_words() -> None:
    settings = load_settings(bootstrap_servers="127.0.0.1:9")
    with pytest.raises(ClusterError, match=r"127.0.0.1:9 does not answer: .*Is it running"):
        Cluster(settings, timeout_seconds=2).metadata()


def test_on_three_brokers_the_table_is_applied_to_the_letter(
    three_kafkas: KafkaCluster, topic_prefix: str
) -> None:
    settings = load_settings(
        bootstrap_servers=three_kafkas.bootstrap_servers, topic_prefix=topic_prefix
    )
    changes = apply_topics(settings)
    assert {change.what for change in changes} == {"created: 8 partitions, 3 replicas"}
    assert config_of(settings, topics.SOURCE)["min.insync.replicas"] == "2"
    assert check_topics(settings) == []
    assert apply_topics(settings) == []


def test_topics_made_for_development_are_told_apart_from_those_for_production(
    three_kafkas: KafkaCluster, topic_prefix: str
) -> None:
    settings = load_settings(
        bootstrap_servers=three_kafkas.bootstrap_servers, topic_prefix=topic_prefix
    )
    create(settings, topics.SOURCE, min_insync_replicas="1")
    assert {change.topic for change in apply_topics(settings)} >= {settings.topic(topics.EVENTS)}
    assert config_of(settings, topics.SOURCE)["min.insync.replicas"] == "1", (
        "with one replica, asking for two would stop every write"
    )
    assert [problem.what for problem in check_topics(settings)] == [
        "has 1 replica, the table wants 3",
        "min.insync.replicas is 1, the table wants 2",
    ]
