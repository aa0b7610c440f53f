"""A worker that lost its state makes it anew: a subscriber without memory sees no repeat."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from streams.adapters.kafka import client_config, producer_config
from streams.adapters.source_topic import source_record
from streams.adapters.topics import EVENTS, FACTS, GROUP, SOURCE, apply_topics
from streams.adapters.wix import Webhook, read_webhook
from streams.demo.audit.judge import audit
from streams.demo.audit.log import lag, read_logs
from streams.domain.events import Origin
from streams.runtime import ExitCode
from tests.support.builders import entity, text, wix_event
from tests.support.services import Process, environment, read_all, wait_until
from tests.support.signing import envelope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from streams.config import Settings

pytestmark = pytest.mark.kafka

NOW = datetime.now(UTC).replace(microsecond=0)
CHECKOUTS = [str(uuid.UUID(int=number)) for number in range(40)]
CHANGELOGS = ("checkout-recovery-checkouts-changelog", "checkout-recovery-cohorts-changelog")


def publish(settings: Settings, slug: str, checkouts: Iterable[str], *, minutes: int) -> None:
    """Put one webhook of each checkout on the source topic, as the ingress does."""
    when = NOW - timedelta(minutes=60 - minutes)
    producer = Producer(producer_config(settings))
    for checkout in checkouts:
        body = entity(id=checkout, createdDate=text(NOW - timedelta(hours=1)))
        changed = {**body, "updatedDate": text(when)}
        event = wix_event(slug, changed, event_id=str(uuid.uuid4()), when=when, checkout=checkout)
        event_type = f"wix.ecom.v1.abandoned_checkout_{slug}"
        webhook = read_webhook({"data": envelope(json.dumps(event), eventType=event_type)})
        assert isinstance(webhook, Webhook)
        record = source_record(webhook, origin=Origin.WEBHOOK, received_at=datetime.now(UTC))
        producer.produce(
            settings.topic(SOURCE), record.value, record.key, headers=list(record.headers)
        )
    assert producer.flush(30) == 0


@contextmanager
def worker(settings: Settings, log: Path, *arguments: str) -> Iterator[Process]:
    """A worker that is done with everything, and has ended cleanly, when the body is left."""
    process = Process(["worker", *arguments], environment(settings, WORKER_SLOT="0"), log)
    try:
        yield process
        wait_until(lambda: _behind(settings) == 0, 60, process.text)
        assert process.stop() == ExitCode.OK
    finally:
        process.popen.kill()
        process.popen.wait()


def _behind(settings: Settings) -> int:
    names = [settings.topic(SOURCE), settings.topic(FACTS)]
    return lag(client_config(settings), settings.topic(GROUP), names)


def told(settings: Settings) -> list[tuple[int, int, bytes]]:
    return [
        (message.partition() or 0, message.offset() or 0, bytes(message.value() or b""))
        for message in read_all(settings, EVENTS)
    ]


def test_after_a_rebuild_nothing_is_told_or_counted_twice(
    kafka_settings: Settings, tmp_path: Path
) -> None:
    apply_topics(kafka_settings, is_development=True)
    publish(kafka_settings, "created", CHECKOUTS, minutes=0)
    publish(kafka_settings, "recovered", CHECKOUTS[:10], minutes=10)
    log = tmp_path / "log"
    with worker(kafka_settings, log):
        wait_until(lambda: len(told(kafka_settings)) == 50, 60, log.read_text)
    before = told(kafka_settings)

    lose(kafka_settings)
    refused = Process(["worker"], environment(kafka_settings, WORKER_SLOT="0"), log)
    assert refused.popen.wait(40) == ExitCode.CHANGELOG_LOST
    assert told(kafka_settings) == before

    publish(kafka_settings, "updated", CHECKOUTS[:20], minutes=20)
    publish(kafka_settings, "recovered", CHECKOUTS[5:20], minutes=30)
    with worker(kafka_settings, log, "--rebuild-state-from-source"):
        wait_until(lambda: len(told(kafka_settings)) == 60, 60, log.read_text)
        wait_until(lambda: audit(read_logs(kafka_settings), []).is_equal, 60, log.read_text)
    assert set(before) <= set(told(kafka_settings))
    assert len(told(kafka_settings)) == 60
    report = audit(read_logs(kafka_settings), [])
    assert report.is_equal, report.differences
    assert report.counts["checkouts recovered"] == 20


def lose(settings: Settings) -> None:
    admin = AdminClient(client_config(settings))
    names = [settings.topic(name) for name in CHANGELOGS]
    for future in admin.delete_topics(names).values():
        future.result()
    wait_until(lambda: not admin.list_topics(timeout=10).topics.keys() & set(names), 30)
    apply_topics(settings, is_development=True)
