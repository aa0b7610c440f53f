"""The API process on a real Kafka and real databases: killed, shared, rebuilt, told to delete."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Self

import pytest
from sqlalchemy import func, select

from streams.adapters.database.engines import writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.database.tables import RECEIVED_EVENTS
from streams.adapters.instants import read_instant
from streams.adapters.topics import SOURCE, apply_topics
from streams.demo.kafka.broker import free_port
from tests.support.api_process import (
    TOKEN,
    Producing,
    api,
    api_environment,
    contents,
    fetch,
    produce,
    recomputed,
)
from tests.support.databases import PostgreSQL, sqlite_database
from tests.support.records import story
from tests.support.services import Process, read_all, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from streams.api.model import Record
    from streams.config import Settings
    from tests.support.api_process import Reply

pytestmark = pytest.mark.kafka

#: 20 on each database were watched; two keep it true.
KILLS = int(os.environ.get("CHECKOUT_RECOVERY_TEST_KILLS", "2"))
GET = "/ecom/v1/abandoned-checkout/"


@pytest.fixture
def settings(kafka_settings: Settings) -> Settings:
    """Topics of the test's own."""
    apply_topics(kafka_settings, is_development=True, partitions=4)
    return kafka_settings


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return sqlite_database(tmp_path)
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.new_database()


def checkouts(count: int, *, seed: int = 0) -> Iterator[Record]:
    """Stories of many checkouts, mixed."""
    random = Random(seed)
    stories = [story(str(uuid.UUID(int=random.getrandbits(128), version=4))) for _ in range(count)]
    for _ in range(4 * count):
        waiting = [left for left in stories if left]
        yield random.choice(waiting).pop(0)


def endless(*, seed: int = 0) -> Iterator[Record]:
    """Stories without end, fifty at a time mixed; some records nobody can read."""
    random = Random(seed)
    stories: list[list[Record]] = []
    while True:
        while len(stories) < 50:
            stories.append(story(str(uuid.UUID(int=random.getrandbits(128), version=4))))
        one = random.choice(stories)
        record = one.pop(0)
        yield record if random.random() > 0.02 else record._replace(value=b"{")
        if not one:
            stories.remove(one)


def test_killed_again_and_again_while_records_come_the_tables_end_as_a_recomputation(
    settings: Settings, database: str, tmp_path: Path
) -> None:
    engine = writing_engine(database)
    migrate(engine)
    port, log = free_port(), tmp_path / "api.log"
    url, environment = f"http://127.0.0.1:{port}", api_environment(settings, database, port)
    random = Random(1)
    process = Process(["api"], environment, log)
    try:
        with Producing(settings, endless(), per_second=200) as producing:
            for _ in range(KILLS):
                # not before it is at work again, and then in the middle of it
                known = rows_of(engine)
                wait_until(partial(has_more_than, known, engine), 120, process.text)
                producing.wait_for_more()
                time.sleep(random.uniform(0, 0.5))
                process.popen.kill()
                process.popen.wait()
                process = Process(["api"], environment, log)
        wait_for(url, producing.last, process)
        assert process.stop() == 0
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()
    found = contents(engine)
    engine.dispose()
    assert len(found["received_events"]) > 0.9 * producing.count
    assert_recomputed(found, settings, tmp_path)


class Asking:
    """Gets and queries one after the other, in a thread, until the body is left."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.replies: list[Reply] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            self.replies.append(fetch(self._url + GET + str(uuid.uuid4())))
            query = b'{"query": {"cursorPaging": {"limit": 5}}}'
            self.replies.append(fetch(f"{self._url}{GET}query", method="POST", body=query))

    def next_are(self, *statuses: int) -> bool:
        """Whether those that are answered from now on are of these, both kinds."""
        begin = len(self.replies)
        wait_until(lambda: len(self.replies) > begin + 6, 60)
        return {reply.status for reply in self.replies[begin + 2 : begin + 6]} == set(statuses)


def test_while_postgresql_restarts_answers_are_503_and_afterwards_nothing_is_missing(
    settings: Settings, postgres: PostgreSQL, tmp_path: Path
) -> None:
    database = postgres.new_database()
    with api(settings, database, tmp_path / "api.log") as (url, process):
        with Producing(settings, endless(), per_second=200) as producing, Asking(url) as asking:
            for mode in ("fast", "immediate"):
                wait_until(lambda: asking.next_are(200, 404), 60, process.text)
                with postgres.stopped(mode=mode):
                    wait_until(lambda: asking.next_are(503), 60, process.text)
                    wait_until(lambda: status(f"{url}/readyz") == 503, 60, process.text)
                    assert status(f"{url}/healthz") == 200
                    producing.wait_for_more()
                wait_until(lambda: asking.next_are(200, 404), 60, process.text)
            wait_until(lambda: status(f"{url}/readyz") == 200, 60, process.text)
        assert {reply.status for reply in asking.replies} == {200, 404, 503}
        for reply in asking.replies:
            if reply.status == 503:
                assert reply.json["details"]["applicationError"]["code"] == "UNAVAILABLE"
                assert reply.headers["retry-after"] == "1"
        wait_for(url, producing.last, process)
        assert process.stop() == 0
    engine = writing_engine(database)
    found = contents(engine)
    engine.dispose()
    assert_recomputed(found, settings, tmp_path)


def test_processes_that_share_a_database_share_the_partitions_and_take_over_from_each_other(
    settings: Settings, postgres: PostgreSQL, tmp_path: Path
) -> None:
    database = postgres.new_database()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(api(settings, database, tmp_path / f"api-{number}.log"))
            for number in range(2)
        ]
        logs = [process for _, process in processes]
        wait_until(lambda: all(assigned(log.text()) == 6 for log in logs), 40, logs[0].text)
        # the topics: source, lifecycle, rates with 4 partitions each
        frozen = logs[0]
        frozen.signal(signal.SIGSTOP)
        last = produce(settings, checkouts(50))
        url, other = processes[1]
        wait_for(url, last, other)
        frozen.signal(signal.SIGCONT)
        more = produce(settings, checkouts(50, seed=1))
        wait_for(url, more, other)
        assert frozen.popen.poll() is None
    engine = writing_engine(database)
    found = contents(engine)
    engine.dispose()
    assert found == recomputed(settings, sqlite_database(tmp_path))


def test_what_an_operator_deletes_is_gone_everywhere_and_marked_as_the_operators(
    settings: Settings, tmp_path: Path
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(3)]
    last = produce(settings, [record for checkout in ids for record in story(checkout)])
    with api(settings, sqlite_database(tmp_path), tmp_path / "api.log") as (url, _process):
        reply = fetch(f"{url}{GET}{ids[0]}?min_position={last[ids[0]]}")
        assert reply.json["abandonedCheckout"]["status"] == "RECOVERED"
        as_of = read_instant(reply.headers["x-checkout-recovery-as-of"])
        assert as_of is not None
        assert datetime.now(UTC) - as_of < timedelta(seconds=30)
        assert fetch(url + GET + ids[0], method="DELETE").json == {}
        assert fetch(url + GET + ids[0]).status == 404
        assert fetch(url + GET + ids[0], method="DELETE").status == 404
        body = json.dumps({"abandonedCheckoutIds": [ids[1], ids[0], ids[2].upper()]}).encode()
        path = f"{url}/ecom/v1/bulk/abandoned-checkout/delete"
        bulk = fetch(path, method="POST", body=body).json
        assert [item["itemMetadata"]["success"] for item in bulk["results"]] == [True, False, True]
        assert bulk["bulkActionMetadata"] == {
            "totalSuccesses": 2,
            "totalFailures": 1,
            "undetailedFailures": 0,
        }
        timeline = fetch(f"{url}/v1/checkouts/{ids[1]}/timeline").json
        assert timeline["is_deleted"]
        assert timeline["entries"][-1]["origin"] == "operator"
    written = [
        dict(message.headers() or [])
        for message in read_all(settings, SOURCE)
        if b'"deletedEvent"' in bytes_of(message.value())
    ]
    assert [headers["ce_origin"] for headers in written] == [b"operator"] * 3
    assert not any(b"wix" in bytes_of(headers[name]) for headers in written for name in SAID_BY)


SAID_BY = ("ce_type", "ce_source", "ce_originatedfrom")


def test_a_rebuild_reads_everything_again_tells_how_far_and_changes_no_byte(
    settings: Settings, tmp_path: Path
) -> None:
    database = sqlite_database(tmp_path)
    last = produce(settings, checkouts(50))
    log = tmp_path / "api.log"
    with api(settings, database, log) as (url, process):
        wait_for(url, last, process)
        asked = urllib.request.Request(f"{url}/v1/live", headers={"authorization": TOKEN})
        with urllib.request.urlopen(asked, timeout=20) as page:
            assert page.readline() == b"retry: 2000\n"
            assert process.stop() == 0  # whoever looks is let go
            assert b"hello" in page.read()
    engine = writing_engine(database)
    before = contents(engine)
    environment = api_environment(settings, database, free_port())
    rebuilding = Process(["api", "--rebuild"], environment, tmp_path / "rebuild.log")
    assert rebuilding.popen.wait(60) == 0, rebuilding.text()
    assert "200 of 200 records, 100.0 %" in rebuilding.text()
    assert contents(engine) == before
    engine.dispose()


def test_a_database_that_was_not_migrated_is_refused_with_the_command(
    settings: Settings, tmp_path: Path
) -> None:
    environment = api_environment(settings, sqlite_database(tmp_path), free_port())
    process = Process(["api"], environment, tmp_path / "api.log")
    assert process.popen.wait(30) == 2
    assert "checkout-recovery api --migrate" in process.text()


def assert_recomputed(
    found: dict[str, list[dict[str, Any]]], settings: Settings, folder: Path
) -> None:
    for table, rows in recomputed(settings, sqlite_database(folder)).items():
        assert found[table] == rows, table


def rows_of(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(RECEIVED_EVENTS)) or 0


def has_more_than(count: int, engine: Engine) -> bool:
    return rows_of(engine) > count


def wait_for(url: str, positions: dict[str, str], process: Process) -> None:
    """Until the model has all of them."""
    for position in newest_of_each_partition(positions):
        asked = f"{url}/v1/conversion?min_position={position}"
        wait_until(partial(has, asked), 60, process.text)


def has(url: str) -> bool:
    try:
        return fetch(url).status == 200
    except OSError:
        return False


def bytes_of(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def newest_of_each_partition(positions: dict[str, str]) -> list[str]:
    newest: dict[str, int] = {}
    for position in positions.values():
        partition, _, offset = position.rpartition("-")
        newest[partition] = max(newest.get(partition, 0), int(offset))
    return [f"{partition}-{offset}" for partition, offset in newest.items()]


def assigned(log: str) -> int:
    """How many partitions a process was given last."""
    counts = [
        json.loads(line)["count"] for line in log.splitlines() if '"partitions_assigned"' in line
    ]
    return counts[-1] if counts else 0
