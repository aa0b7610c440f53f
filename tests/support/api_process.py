"""The API's application on a database of the test's own, asked over ASGI; and as a process."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import KafkaError, Message, Producer
from sqlalchemy import select

from streams.adapters.database.engines import reading_engine, writing_engine
from streams.adapters.database.schema import migrate
from streams.adapters.database.tables import (
    ANNOUNCEMENTS,
    CHECKOUTS,
    RATES,
    RATES_HISTORY,
    RECEIVED_EVENTS,
    SITES,
)
from streams.adapters.kafka import producer_config
from streams.adapters.topics import SOURCE
from streams.api.access.token_list import hash_of
from streams.api.app import create_app
from streams.api.consuming import record_of
from streams.api.metrics import ApiMetrics
from streams.api.model import TOPICS, Model, Place
from streams.api.services import make_services
from streams.config import load_settings
from streams.demo.kafka.broker import free_port
from tests.support.services import Process, environment, read_all, status, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine
    from starlette.types import ASGIApp
    from starlette.types import Message as Sent

    from streams.api.model import Record
    from streams.config import Settings

_AT_ONCE = 50
#: Of every scope and site.
TOKEN = "crt_test-everything"  # noqa: S105  # of tests only
SCOPES = ("read", "read:personal", "delete")


def listed(token: str, *, sites: tuple[str, ...] = ("*",), scopes: tuple[str, ...] = SCOPES) -> Any:
    """A token as an operator's list has it."""
    return {
        "name": hash_of(token)[:12],
        "sha256": hash_of(token),
        "sites": list(sites),
        "scopes": list(scopes),
    }


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Asked:
    """An application that is asked without a network; one event loop for all of a test."""

    def __init__(self, url: str, *tokens: Any, **settings: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self.engine = reading_engine(url)
        tokens_list = json.dumps({"tokens": [listed(TOKEN), *tokens]})
        self.settings = load_settings(
            database_url=url, api_tokens=tokens_list, api_secret="0" * 32, **settings
        )
        self.app: ASGIApp = self._loop.run_until_complete(self._create())

    async def _create(self) -> ASGIApp:
        self._services = make_services(self.settings, self.engine, ApiMetrics())
        return create_app(self._services, lambda: "")

    def close(self) -> None:
        self._loop.run_until_complete(self._services.hub.stop())
        self._services.desk.close()
        self._loop.run_until_complete(self.engine.dispose())
        self._loop.close()

    def get(self, path: str, *, token: str | None = TOKEN, **headers: str) -> Reply:
        return self.ask("GET", path, b"", token=token, **headers)

    def ask(
        self, method: str, path: str, body: bytes, *, token: str | None = TOKEN, **headers: str
    ) -> Reply:
        """Ask; header names have hyphens for underscores."""
        known = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            known["authorization"] = token
        return self._loop.run_until_complete(self._ask(method, path, body, known))

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "scheme": "http",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        sent: list[Sent] = []
        left = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Sent:
            return left.pop() if left else {"type": "http.disconnect"}

        async def send(message: Sent) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start, *rest = sent
        return Reply(
            start["status"],
            {name.decode(): value.decode() for name, value in start["headers"]},
            b"".join(message.get("body", b"") for message in rest),
        )


@contextmanager
def api(
    settings: Settings, database_url: str, log: Path, **more: str
) -> Iterator[tuple[str, Process]]:
    """A running API process with our tables, and its base URL."""
    engine = writing_engine(database_url)
    migrate(engine)
    engine.dispose()
    port = free_port()
    process = Process(["api"], api_environment(settings, database_url, port, **more), log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: status(f"{url}/readyz") == 200, 60, process.text)
        yield url, process
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.wait()


def api_environment(
    settings: Settings, database_url: str, port: int, **more: str
) -> dict[str, str]:
    return environment(
        settings,
        DATABASE_URL=database_url,
        API_PORT=str(port),
        API_SECRET="0" * 32,
        API_TOKENS=json.dumps({"tokens": [listed(TOKEN)]}),
        SESSION_TIMEOUT_MS="6000",
        **more,
    )


def fetch(url: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
    """Ask a process with the token of everything."""
    known = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, {"authorization": TOKEN, **known}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return Reply(answer.status, _lower(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, _lower(error.headers), error.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def produce(
    settings: Settings, records: Iterable[Record], *, by: Producer | None = None
) -> dict[str, str]:
    """Put records onto the source topic as the ingress does; the last position of each key.

    Their time is now: Kafka drops what is older than the topic keeps.
    """
    now = int(datetime.now(UTC).timestamp() * 1000)
    producer = by or Producer(producer_config(settings))
    last: dict[str, str] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None
        last[(message.key() or b"").decode()] = (
            f"{message.topic()}-{message.partition()}-{message.offset()}"
        )

    for record in records:
        producer.produce(
            settings.topic(SOURCE),
            record.value,
            record.key,
            timestamp=now,
            headers=list(record.headers),
            on_delivery=delivered,
        )
        producer.poll(0)
    assert producer.flush(30) == 0
    return last


class Producing:
    """Puts records onto the source topic, so many a second, in a thread, until the body is left."""

    def __init__(self, settings: Settings, records: Iterator[Record], *, per_second: int) -> None:
        self._settings = settings
        self._records = records
        self._pause = _AT_ONCE / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        #: How many have been acknowledged, and the newest position of each partition.
        self.count = 0
        self.last: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for_more(self) -> None:
        """Until another record is acknowledged."""
        known = self.count
        wait_until(lambda: self.count > known, 120)

    def _run(self) -> None:
        producer = Producer(producer_config(self._settings))
        while not self._stop.wait(self._pause):
            known = produce(self._settings, islice(self._records, _AT_ONCE), by=producer)
            self.last.update(
                {position.rpartition("-")[0]: position for position in in_order(known.values())}
            )
            self.count += _AT_ONCE


def in_order(positions: Iterable[str]) -> list[str]:
    """Positions by their offset."""
    return sorted(positions, key=lambda position: int(position.rpartition("-")[2]))


def recomputed(settings: Settings, url: str) -> dict[str, list[dict[str, Any]]]:
    """The tables as they are if the topics are read once, from the beginning, into an empty one."""
    engine = writing_engine(url)
    migrate(engine)
    model = Model(engine, ApiMetrics())
    for topic in TOPICS:
        records = [
            record_of(Place(topic, message.partition() or 0), message)
            for message in read_all(settings, topic)
        ]
        model.begin(sorted({record.place for record in records}))
        model.apply(records)
    found = contents(engine)
    engine.dispose()
    return found


def contents(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All rows of what is made of the topics; positions are told apart, they may pass markers."""
    found = {}
    with engine.connect() as connection:
        for table in (CHECKOUTS, RECEIVED_EVENTS, ANNOUNCEMENTS, SITES, RATES, RATES_HISTORY):
            rows = connection.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [dict(row) for row in rows.mappings()]
    return found
