"""What could not be processed is listed, and sent again after a fix; a storm stops a worker."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer

from streams.adapters.dead_letters import dead_letter_headers
from streams.adapters.kafka import producer_config
from streams.adapters.topics import DEAD_LETTERS, GROUP, SOURCE, apply_topics
from streams.demo.audit.log import lag
from streams.runtime import ExitCode
from tests.support.builders import CHECKOUT, T0, at, entity, headers, wix_event
from tests.support.services import Process, environment, read_all
from tests.support.signing import envelope

if TYPE_CHECKING:
    from pathlib import Path

    from streams.config import Settings

pytestmark = pytest.mark.kafka

EVENT = json.dumps(wix_event("created", entity(), event_id="e-1", when=T0)).encode()
CLAIMS = json.dumps({"data": envelope(EVENT.decode())}).encode()
OTHER = json.dumps({"data": envelope("{}", eventType="wix.contacts.v1.contact_created")}).encode()
FROM_TOPIC = headers(at(5), traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


@dataclass
class Letters:
    """Dead letters of every kind: an older release could not read them, today's can read some."""

    settings: Settings
    positions: dict[str, str]

    def run(self, *arguments: str) -> tuple[int, list[Any]]:
        answer = subprocess.run(
            [sys.executable, "-m", "streams", "dead-letters", *arguments, "--json"],
            env=environment(self.settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode in {0, 1}, answer.stderr
        return answer.returncode, [json.loads(line) for line in answer.stdout.splitlines()]


@pytest.fixture
def letters(kafka_settings: Settings) -> Letters:
    apply_topics(kafka_settings, is_development=True)
    positions: dict[str, str] = {}
    producer = Producer(producer_config(kafka_settings))
    for name, stage, reason, value, original in (
        ("webhook", "ingress", "event_unreadable", CLAIMS, []),
        ("not ours", "ingress", "event_unreadable", OTHER, []),
        ("record", "track-checkouts", "entity_unreadable", EVENT, FROM_TOPIC),
        ("broken", "track-checkouts", "entity_unreadable", b"{planted-payload", FROM_TOPIC),
    ):
        position = ("t", 3, 7) if stage != "ingress" else None

        def delivered(_error: object, message: Any, name: str = name) -> None:
            positions[name] = f"{message.partition()}-{message.offset()}"

        producer.produce(
            kafka_settings.topic(DEAD_LETTERS),
            value,
            CHECKOUT if original else None,
            headers=list(
                dead_letter_headers(
                    original, reason=reason, stage=stage, at=at(9), position=position
                )
            ),
            on_delivery=delivered,
        )
    assert producer.flush(30) == 0
    return Letters(kafka_settings, positions)


def test_the_list_says_when_why_and_where_and_shows_no_record_unless_asked(
    letters: Letters,
) -> None:
    code, rows = letters.run("list")
    assert code == 0
    found = {row["position"]: row for row in rows}
    assert found.keys() == set(letters.positions.values())
    assert found[letters.positions["broken"]] == {
        "position": letters.positions["broken"],
        "time": "2026-03-01T12:09:00.000Z",
        "stage": "track-checkouts",
        "reason": "entity_unreadable",
        "source": "t-3-7",
        "bytes": 16,
    }
    assert "planted-payload" not in json.dumps(rows)
    _, rows = letters.run("list", "--at", letters.positions["broken"], "--with-value")
    assert [row["value"] for row in rows] == ["{planted-payload"]


def test_letters_are_chosen_by_reason_stage_position_and_age(letters: Letters) -> None:
    def names(*arguments: str) -> set[str]:
        where = {position: name for name, position in letters.positions.items()}
        return {where[row["position"]] for row in letters.run("list", *arguments)[1]}

    assert names("--reason", "entity_unreadable") == {"record", "broken"}
    assert names("--stage", "ingress") == {"webhook", "not ours"}
    assert names("--since", "1h") == set(letters.positions)
    assert names("--stage", "ingress", "--reason", "entity_unreadable") == set()


def test_a_replay_sends_what_can_be_read_now_and_says_what_still_can_not(letters: Letters) -> None:
    expected = {"sent": 2, "not_ours": 1, "unreadable": {"event_unreadable": 1}}
    assert letters.run("replay", "--dry-run") == (1, [expected])
    assert read_all(letters.settings, SOURCE) == []
    assert letters.run("replay") == (1, [expected])
    sent = read_all(letters.settings, SOURCE)
    assert [message.value() for message in sent] == [EVENT, EVENT]
    assert [message.key() for message in sent] == [CHECKOUT.encode()] * 2
    found = [dict(message.headers() or []) for message in sent]
    assert not [name for each in found for name in each if name.startswith("dead_letter_")]
    assert {each["ce_origin"] for each in found} == {b"replay"}
    received = {each["ce_receivedtime"] for each in found}
    assert received == {b"2026-03-01T12:05:00.000Z", b"2026-03-01T12:09:00.000Z"}


def test_one_letter_can_be_sent_by_itself(letters: Letters) -> None:
    code, (result,) = letters.run("replay", "--at", letters.positions["record"])
    assert (code, result["sent"]) == (0, 1)
    assert len(read_all(letters.settings, SOURCE)) == 1


def test_a_position_that_is_none_is_told_so(letters: Letters) -> None:
    with pytest.raises(AssertionError, match="write partition-offset"):
        letters.run("list", "--at", "seven")


def test_a_storm_of_unreadable_records_stops_the_worker_and_is_not_restarted(
    kafka_settings: Settings, tmp_path: Path
) -> None:
    apply_topics(kafka_settings, is_development=True)
    source = kafka_settings.topic(SOURCE)
    producer = Producer(producer_config(kafka_settings))
    for number in range(3_000):
        value = b"poison" if number % 4 else EVENT
        producer.produce(source, value, CHECKOUT, headers=list(headers(T0)))
    producer.flush()
    worker = Process(["worker"], environment(kafka_settings), tmp_path / "log")
    try:
        assert worker.popen.wait(60) == ExitCode.POISON_STORM
    finally:
        worker.popen.kill()
        worker.popen.wait()
    assert "worker_not_restarted" in worker.text()
    settings = {"bootstrap.servers": kafka_settings.bootstrap_servers}
    assert lag(settings, kafka_settings.topic(GROUP), [source]) > 1_000
    assert len(read_all(kafka_settings, DEAD_LETTERS)) < 1_000
