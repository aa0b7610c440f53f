"""The table of topics: what it holds, and what a wrong one is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.adapters import topics
from streams.adapters.topics import load_topics
from streams.config import ConfigurationError, load_settings

TABLE = Path(__file__).parents[2] / "deploy" / "topics.yaml"


def test_the_packaged_table_is_the_one_that_operators_read() -> None:
    assert load_topics() == load_topics(TABLE)


def test_every_topic_that_the_code_names_is_in_the_table() -> None:
    names = {topic.name for topic in load_topics().topics}
    assert names == {
        topics.SOURCE,
        topics.EVENTS,
        topics.CONVERSION,
        topics.DEAD_LETTERS,
        topics.FACTS,
        "checkout-recovery-checkouts-changelog",
        "checkout-recovery-cohorts-changelog",
    }


def test_the_source_is_kept_as_long_as_a_recomputation_needs() -> None:
    settings = load_settings()
    source = next(topic for topic in load_topics().topics if topic.name == topics.SOURCE)
    assert source.retention is not None
    assert source.retention >= max(settings.windows) + settings.horizon + timedelta(days=3)


def test_a_webhook_of_the_largest_size_fits_wherever_it_may_go() -> None:
    for topic in load_topics().topics:
        if topic.personal_data:
            assert topic.max_message_bytes >= (1 << 20) + (64 << 10), topic.name


def test_one_broker_may_be_lost_without_a_stop_or_a_loss() -> None:
    table = load_topics()
    assert 1 < table.min_insync_replicas < table.replication_factor


def test_changelogs_are_compacted_in_small_segments_so_that_a_restore_is_short() -> None:
    for topic in load_topics().topics:
        if topic.name.endswith("changelog"):
            config = topic.config(min_insync_replicas=2)
            assert config["cleanup.policy"] == "compact"
            assert int(config["segment.bytes"]) <= 64 << 20
            assert "retention.ms" not in config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retention": "soon"}, "topic wix.abandoned-checkouts.v1, retention: 'soon' is no"),
        ({"retention": None}, "topic wix.abandoned-checkouts.v1: retention is for cleanup: delete"),
        ({"cleanup": "shred"}, "topic wix.abandoned-checkouts.v1, cleanup: "),
        ({"max_message_bytes": "big"}, "topic wix.abandoned-checkouts.v1, max_message_bytes: "),
        ({"name": "with space"}, "topic with space, name: "),
        ({"name": None}, "topic number 1, name: "),
        ({"retntion": "3d"}, "topic wix.abandoned-checkouts.v1, retntion: Extra inputs"),
        ({"name": topics.EVENTS}, "the table: in the table twice: checkout-recovery.events.v1"),
    ],
)
def test_a_wrong_row_is_named_with_its_topic_and_field(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    content = yaml.safe_load(TABLE.read_text("utf-8"))
    content["topics"][0].update(change)
    file = tmp_path / "topics.yaml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_topics(file)
    assert message in str(error.value)
    assert str(file) in str(error.value)


def test_all_wrong_rows_are_named_at_once(tmp_path: Path) -> None:
    content = yaml.safe_load(TABLE.read_text("utf-8"))
    content["topics"][0]["cleanup"] = content["topics"][2]["owner"] = ""
    file = tmp_path / "topics.yaml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_topics(file)
    assert "topic wix.abandoned-checkouts.v1, cleanup" in str(error.value)
    assert "topic checkout-recovery.conversion.v1, owner" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("topics: [", "line 1"),
        ("", "the table: "),
        ("- 1", "the table: "),
        ("partitions: 8", "topics: Field required"),
    ],
)
def test_what_is_no_table_is_said_to_be_none(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "topics.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=message):
        load_topics(file)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load_topics(tmp_path / "none.yaml")


def test_more_replicas_in_sync_than_replicas_are_refused(tmp_path: Path) -> None:
    content = yaml.safe_load(TABLE.read_text("utf-8"))
    content["min_insync_replicas"] = 4
    file = tmp_path / "topics.yaml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    with pytest.raises(ConfigurationError, match="nothing could write"):
        load_topics(file)
