"""What the ingress promises whatever Kafka does: in time, durable, drained, silent."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from typing import TYPE_CHECKING

import aiohttp
import pytest

from streams.adapters.topics import SOURCE, apply_topics
from streams.config import load_settings
from tests.support.builders import T0, entity, wix_event
from tests.support.services import ingress, read_all, wait_until
from tests.support.signing import public_pem, sign, token

if TYPE_CHECKING:
    from pathlib import Path

    from streams.demo.kafka import EmbeddedKafka

pytestmark = [pytest.mark.kafka, pytest.mark.alone]

LIMIT = 1.25


def body(number: int) -> str:
    event = wix_event("created", entity(), event_id=f"e-{number}", when=T0)
    return token({**event, "entityId": f"{number:08d}-1111-4111-8111-111111111111"})


async def post(
    session: aiohttp.ClientSession, url: str, text: str
) -> tuple[int, dict[str, str], float]:
    started = time.monotonic()
    async with session.post(f"{url}/webhooks/wix", data=text) as answer:
        await answer.read()
        found = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, found, time.monotonic() - started


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "app.pem").write_text(public_pem())
    return folder


async def test_while_kafka_is_down_the_answer_is_503_and_200_when_it_is_back(
    own_kafka: EmbeddedKafka, keys: Path, tmp_path: Path
) -> None:
    settings = load_settings(bootstrap_servers=own_kafka.bootstrap_servers)
    apply_topics(settings, is_development=True)
    with ingress(settings, keys, tmp_path / "log") as (url, _):
        async with aiohttp.ClientSession() as session:
            assert (await post(session, url, body(0)))[0] == 200
            own_kafka.kill()
            for number in range(1, 4):
                status, headers, seconds = await post(session, url, body(number))
                assert status == 503
                assert int(headers["retry-after"]) > 0
                assert seconds < LIMIT
        await asyncio.to_thread(own_kafka.start)
        async with aiohttp.ClientSession() as session:  # idle connections were closed meanwhile
            deadline = time.monotonic() + 60
            while (await post(session, url, body(9)))[0] != 200:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.5)


async def test_with_the_broker_frozen_no_answer_is_late_and_every_200_is_in_the_topic(
    own_kafka: EmbeddedKafka, keys: Path, tmp_path: Path
) -> None:
    settings = load_settings(bootstrap_servers=own_kafka.bootstrap_servers)
    apply_topics(settings, is_development=True)
    bodies = [body(number) for number in range(5000)]
    answers: list[tuple[int, str, float]] = []
    with ingress(settings, keys, tmp_path / "log") as (url, _):
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(connector=connector) as session:
            queue = iter(bodies)

            async def client() -> None:
                for text in queue:
                    status, headers, seconds = await post(session, url, text)
                    position = headers.get("x-checkout-recovery-position", "")
                    answers.append((status, position, seconds))
                    if status != 200:
                        await asyncio.sleep(0.25)

            clients = [asyncio.create_task(client()) for _ in range(64)]
            while len(answers) < 1000:  # noqa: ASYNC110  # the clients' progress
                await asyncio.sleep(0.01)
            own_kafka.pause()
            await asyncio.sleep(4)
            own_kafka.resume()
            await asyncio.gather(*clients)
    assert max(seconds for _, _, seconds in answers) < LIMIT
    statuses = {status for status, _, _ in answers}
    assert statuses == {200, 503}
    positions = [position for status, position, _ in answers if status == 200]
    found = {f"{m.topic()}-{m.partition()}-{m.offset()}" for m in read_all(settings, SOURCE)}
    assert set(positions) <= found
    assert len(set(positions)) == len(positions)


async def test_sigterm_drains_within_ten_seconds_and_exits_0(
    own_kafka: EmbeddedKafka, keys: Path, tmp_path: Path
) -> None:
    settings = load_settings(bootstrap_servers=own_kafka.bootstrap_servers)
    apply_topics(settings, is_development=True)
    with ingress(settings, keys, tmp_path / "log") as (url, process):
        async with aiohttp.ClientSession() as session:
            under_way = [asyncio.create_task(post(session, url, body(n))) for n in range(50)]
            await asyncio.sleep(0.05)
            process.signal(signal.SIGTERM)
            answers = await asyncio.gather(*under_way, return_exceptions=True)
        assert process.popen.wait(10) == 0
    positions = [
        answer[1]["x-checkout-recovery-position"]
        for answer in answers
        if not isinstance(answer, BaseException) and answer[0] == 200
    ]
    found = {f"{m.topic()}-{m.partition()}-{m.offset()}" for m in read_all(settings, SOURCE)}
    assert set(positions) <= found


async def test_a_new_key_is_used_within_seconds_and_a_bad_one_is_named(
    bootstrap_servers: str, keys: Path, tmp_path: Path
) -> None:
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix="reload.")
    apply_topics(settings, is_development=True)
    other = sign(json.loads('{"data": "x"}'), key="second")
    with ingress(settings, keys, tmp_path / "log") as (url, process):
        async with aiohttp.ClientSession() as session:
            assert (await post(session, url, other))[0] == 401
            (keys / "second.pem").write_text(public_pem("second").replace("\n", "\\n"))
            deadline = time.monotonic() + 10
            while (await post(session, url, other))[0] != 200:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            (keys / "bad.pem").write_text("<!DOCTYPE html>")
            process.signal(signal.SIGHUP)
            wait_until(lambda: "a web page, not a key" in process.text(), 10, process.text)
            for name in ("app.pem", "second.pem", "bad.pem"):
                (keys / name).unlink()
            wait_until(lambda: "keys_kept" in process.text(), 10, process.text)
            assert (await post(session, url, other))[0] == 200


async def test_no_log_line_holds_a_secret_a_payload_or_an_address(
    bootstrap_servers: str, keys: Path, tmp_path: Path
) -> None:
    settings = load_settings(bootstrap_servers=bootstrap_servers, topic_prefix="silent.")
    apply_topics(settings, is_development=True)
    secrets = ["ada@mail.example", "Lovelace", "planted-value", "hunter2", "v-1"]
    event = {**wix_event("created", entity(), event_id="e", when=T0), "x": "planted-value"}
    bodies = [
        token(event),
        token(event, instanceId=None),
        token(event)[:-6] + "AAAAAA",
        token("not json planted-value"),
        token({**event, "entityId": None, "createdEvent": {"entity": {}}}),
        sign({"data": "planted-value"}, kid="<kid-7>\n"),
        sign({"data": "planted-value"}, kid="<kid-7>\n", key="stranger"),
    ]
    more = {"LOG_LEVEL": "debug", "SASL_PASSWORD": "hunter2"}
    with ingress(settings, keys, tmp_path / "log", **more) as (url, process):
        async with aiohttp.ClientSession() as session:
            for text in bodies:
                await post(session, url, text)
        process.stop()
    log = process.text()
    assert "webhook_unreadable" in log
    assert '"kid": "kid-7"' in log
    for text in [*secrets, *(part for body in bodies for part in body.split("."))]:
        assert text[:40] not in log
