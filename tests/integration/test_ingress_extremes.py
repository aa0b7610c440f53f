"""The ingress without Kafka from the start, with Kafka frozen at the end, and under bad clients."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from streams.adapters.topics import apply_topics
from streams.config import load_settings
from tests.support.builders import T0, entity, wix_event
from tests.support.services import Process, environment, ingress, status, wait_until
from tests.support.signing import public_pem, token

if TYPE_CHECKING:
    from streams.config import Settings
    from streams.demo.kafka import EmbeddedKafka

pytestmark = [pytest.mark.kafka, pytest.mark.alone]

BODY = token(wix_event("created", entity(), event_id="e-1", when=T0)).encode()
MEBIBYTE = 1 << 20


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "app.pem"
    file.write_text(public_pem())
    return file


def post(url: str, body: bytes = BODY) -> tuple[int, str | None, float]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    started = time.monotonic()
    connection.request("POST", "/webhooks/wix", body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("retry-after"), time.monotonic() - started


def listening(process: Process) -> list[str]:
    lines = [json.loads(line) for line in process.text().splitlines() if line.startswith("{")]
    return [line["url"] for line in lines if line["event"] == "ingress_listening"]


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_without_kafka_it_starts_says_where_it_listens_and_answers_503(
    keys: Path, tmp_path: Path
) -> None:
    settings = load_settings(bootstrap_servers="127.0.0.1:1")
    env = environment(settings, WIX_PUBLIC_KEYS=str(keys), INGRESS_PORT="0")
    process = Process(["ingress"], env, tmp_path / "log")
    try:
        wait_until(lambda: listening(process), 20, process.text)
        url = listening(process)[0]
        wait_until(lambda: status(f"{url}/healthz") == 200, 5, process.text)
        assert status(f"{url}/readyz") == 503
        answer, retry_after, seconds = post(url)
        assert answer == 503
        assert retry_after is not None
        assert seconds < 1.25
        assert process.stop() == 0
    finally:
        process.popen.kill()
        process.popen.wait()


def test_a_port_in_use_ends_it_with_the_reason(keys: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        settings = load_settings(bootstrap_servers="127.0.0.1:1")
        env = environment(settings, WIX_PUBLIC_KEYS=str(keys), INGRESS_PORT=port)
        process = Process(["ingress"], env, tmp_path / "log")
        assert process.popen.wait(30) != 0
    assert "Address already in use" in process.text()
    assert "Traceback" not in process.text()
    assert listening(process) == []


def test_sigterm_with_kafka_frozen_ends_within_ten_seconds(
    own_kafka: EmbeddedKafka, keys: Path, tmp_path: Path
) -> None:
    settings = load_settings(bootstrap_servers=own_kafka.bootstrap_servers)
    apply_topics(settings, is_development=True)
    with (
        ingress(settings, keys, tmp_path / "log") as (url, process),
        ThreadPoolExecutor(20) as clients,
    ):
        own_kafka.pause()
        answers = [clients.submit(post, url) for _ in range(20)]
        time.sleep(0.2)  # so that they are under way; the answers below don't depend on it
        process.signal(signal.SIGTERM)
        assert process.popen.wait(10) == 0
        own_kafka.resume()
    for answer in answers:
        with suppress(OSError, http.client.HTTPException):  # came after the end
            code, _, seconds = answer.result()
            assert code == 503
            assert seconds < 1.25


def test_unfinished_bodies_take_bounded_memory_and_good_webhooks_pass(
    kafka_settings: Settings, keys: Path, tmp_path: Path
) -> None:
    apply_topics(kafka_settings, is_development=True)
    with ingress(kafka_settings, keys, tmp_path / "log") as (url, process):
        assert post(url)[0] == 200
        before = resident_bytes(process.popen.pid)
        address = urlsplit(url)
        attackers = []
        for _ in range(300):
            attacker = socket.create_connection((str(address.hostname), address.port or 0))
            attacker.setblocking(False)
            head = f"POST /webhooks/wix HTTP/1.1\r\nHost: x\r\nContent-Length: {MEBIBYTE}\r\n\r\n"
            attacker.send(head.encode())
            attackers.append(attacker)
        most = 0
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            for attacker in attackers:
                with suppress(OSError):
                    attacker.send(b"x" * 50_000)
            most = max(most, resident_bytes(process.popen.pid) - before)
        for attacker in attackers:
            attacker.close()
        assert most < 160 * MEBIBYTE
        wait_until(lambda: post(url)[0] == 200, 10, process.text)


def test_clients_that_say_nothing_or_never_end_their_headers_are_cut_off(
    kafka_settings: Settings, keys: Path, tmp_path: Path
) -> None:
    apply_topics(kafka_settings, is_development=True)
    with ingress(kafka_settings, keys, tmp_path / "log") as (url, _):
        address = (str(urlsplit(url).hostname), urlsplit(url).port or 0)
        with socket.create_connection(address) as silent, socket.create_connection(address) as slow:
            started = time.monotonic()
            slow.sendall(b"POST /webhooks/wix HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            for client in (slow, silent):
                client.settimeout(10)
                while client.recv(1000):
                    pass
            assert time.monotonic() - started < 7
