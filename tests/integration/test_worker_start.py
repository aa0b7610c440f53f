"""A worker looks at what it stands on before it starts, and says everything at once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from streams.adapters.kafka import client_config
from streams.adapters.topics import EVENTS, SOURCE, apply_topics
from streams.runtime import ExitCode
from tests.support.services import Process, environment, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from streams.config import Settings

pytestmark = pytest.mark.kafka


def findings(process: Process) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in process.text().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == "start_check"]


def test_all_problems_are_said_at_once_and_no_restart_is_tried(
    kafka_settings: Settings, tmp_path: Path
) -> None:
    apply_topics(kafka_settings, is_development=True)
    admin = AdminClient(client_config(kafka_settings))
    changelog = kafka_settings.topic("checkout-recovery-checkouts-changelog")
    resource = ConfigResource(
        ResourceType.TOPIC,
        changelog,
        incremental_configs=[
            ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET)
        ],
    )
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()
    for future in admin.delete_topics([kafka_settings.topic(EVENTS)]).values():
        future.result()
    env = environment(
        kafka_settings, SESSION_TIMEOUT_MS="20000", TRANSACTION_TIMEOUT_MS="10000", WORKER_SLOT="0"
    )
    process = Process(["worker"], env, tmp_path / "log")
    assert process.popen.wait(60) == ExitCode.STARTUP_CHECK_FAILED
    said = {line["what"]: line["mend"] for line in findings(process) if line["state"] == "problem"}
    assert f"{changelog} cleanup.policy is delete, the table wants compact" in said
    assert f"{kafka_settings.topic(EVENTS)} does not exist" in said
    assert "a transaction may end before its worker is taken for dead" in said
    assert all(said.values()), "each says what to do"
    assert process.text().count('"worker_started"') == 1


def test_what_is_only_a_warning_keeps_no_worker_from_its_work(
    kafka_settings: Settings, tmp_path: Path
) -> None:
    apply_topics(kafka_settings, is_development=True)
    process = Process(["worker"], environment(kafka_settings, WORKER_SLOT="0"), tmp_path / "log")
    try:
        wait_until(lambda: '"assigned"' in process.text(), 60, process.text)
        assert {line["state"] for line in findings(process)} == {"warning"}
        assert kafka_settings.topic(SOURCE) in process.text()
    finally:
        assert process.stop() == ExitCode.OK


def test_a_stopped_workers_slot_is_listed_and_can_be_removed(
    kafka_settings: Settings, tmp_path: Path
) -> None:
    apply_topics(kafka_settings, is_development=True)
    long = {"SESSION_TIMEOUT_MS": "120000", "TRANSACTION_TIMEOUT_MS": "120000"}
    env = environment(kafka_settings, WORKER_SLOT="7", **long)
    process = Process(["worker"], env, tmp_path / "log")
    wait_until(lambda: '"restored"' in process.text(), 60, process.text)
    assert process.stop() == ExitCode.OK

    def workers(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "streams", "workers", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    assert json.loads(workers("list", "--json").stdout) == [{"slot": "7", "partitions": 16}]
    refused = workers("remove", "8")
    assert refused.returncode == 2
    assert "slot 8 is no member; members with a slot: 7" in refused.stderr
    assert workers("remove", "7").returncode == 0
    assert json.loads(workers("list", "--json").stdout) == []
