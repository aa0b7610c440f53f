"""Kafka's jars: the lock decides, whatever the network, the cache or somebody in between does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from streams.demo.kafka import JarsError
from streams.demo.kafka.jars import (
    CACHE_VARIABLE,
    LOCK_FILE,
    MIRROR_VARIABLE,
    cache_directory,
    ensure_jars,
    locked_jars,
)
from streams.demo.kafka.ports import HOST, free_port
from tests.support.signing import public_pem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FETCH = "from streams.demo.kafka.jars import ensure_jars; print(len(ensure_jars()))"
VICTIM = "kafka-clients-4.2.2.jar"


@dataclass
class Mirror:
    """A Maven repository on loopback that may change what it serves."""

    jars: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    alter: Callable[[bytes], bytes] = lambda content: content

    @contextmanager
    def serving(self) -> Iterator[str]:
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[1]
                content = mirror.jars.get(name)
                if content is None:
                    self.send_error(404)
                    return
                mirror.asked.append(name)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(mirror.alter(content) if name == VICTIM else content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with ThreadingHTTPServer((HOST, 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"http://{HOST}:{server.server_port}/maven2/"
            finally:
                server.shutdown()
                thread.join()


@pytest.fixture(scope="module")
def genuine() -> dict[str, bytes]:
    """The jars of the user's own cache, fetched if this is the first run."""
    return {path.name: path.read_bytes() for path in ensure_jars()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for the test."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", HOST)
    return tmp_path / "cache" / "jars"


@pytest.fixture
def mirror(genuine: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror in reach; everything else is not."""
    mirror = Mirror(genuine)
    with mirror.serving() as address:
        monkeypatch.setenv(MIRROR_VARIABLE, address)
        yield mirror


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{HOST}:{free_port()}")
        monkeypatch.setenv(name.lower(), f"http://{HOST}:{free_port()}")


def test_the_lock_names_exact_versions_and_digests_and_no_host() -> None:
    entries = json.loads(LOCK_FILE.read_text())["jars"]
    assert len({jar.file_name for jar in locked_jars()}) == len(entries) > 40
    for entry in entries:
        assert set(entry) == {"coordinates", "sha256"}
        assert re.fullmatch(r"[\w.-]+:[\w.-]+:\d[\w.-]*", entry["coordinates"])
        assert re.fullmatch(r"[0-9a-f]{64}", entry["sha256"])
    assert "://" not in LOCK_FILE.read_text()


def test_the_cache_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "checkout-recovery" / "jars"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "own"))
    assert cache_directory() == tmp_path / "own" / "jars"


@pytest.mark.kafka
def test_an_empty_cache_is_filled_once_and_then_nothing_is_asked(
    cache: Path, mirror: Mirror, genuine: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int, str]] = []
    paths = ensure_jars(lambda done, total, name: told.append((done, total, name)))
    assert sorted(mirror.asked) == sorted(genuine)
    assert [done for done, _, _ in told] == [*range(len(paths) + 1), len(paths)]
    assert {name for _, _, name in told} == {"", *genuine}
    assert sorted(path.name for path in cache.iterdir()) == sorted(genuine)
    go_offline(monkeypatch)
    told.clear()
    assert ensure_jars(lambda done, total, name: told.append((done, total, name))) == paths
    assert told == []


@pytest.mark.kafka
@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda content: content[:-1] + bytes([content[-1] ^ 1]), id="one bit"),
        pytest.param(lambda content: content[: len(content) // 2], id="cut off"),
    ],
)
def test_a_jar_changed_on_the_way_is_refused(
    alter: Callable[[bytes], bytes], cache: Path, mirror: Mirror
) -> None:
    mirror.alter = alter
    with pytest.raises(JarsError, match=VICTIM):
        ensure_jars()
    assert not (cache / VICTIM).exists()
    assert not list(cache.glob("fetch-*"))
    mirror.alter = lambda content: content
    assert cache / VICTIM in ensure_jars()


@pytest.mark.kafka
def test_a_jar_changed_in_the_cache_is_replaced_or_refused(
    cache: Path, mirror: Mirror, genuine: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    for name, content in genuine.items():
        (cache / name).write_bytes(content)
    (cache / VICTIM).write_bytes(genuine[VICTIM] + b"!")
    with monkeypatch.context() as offline:
        go_offline(offline)
        with pytest.raises(JarsError, match=f"could not download {VICTIM}"):
            ensure_jars()
    ensure_jars()
    assert mirror.asked == [VICTIM]
    assert (cache / VICTIM).read_bytes() == genuine[VICTIM]


@pytest.mark.kafka
def test_several_processes_can_fill_one_cache_at_once(cache: Path, mirror: Mirror) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", FETCH], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert answers == [str(len(mirror.jars))] * 3
    assert sorted(path.name for path in cache.iterdir()) == sorted(mirror.jars)


def test_offline_with_an_empty_cache_up_says_in_plain_words_what_it_needs(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_offline(monkeypatch)
    (tmp_path / "app.pem").write_text(public_pem())
    answer = subprocess.run(
        [sys.executable, "-m", "streams", "up", "--wix-public-key", str(tmp_path / "app.pem")],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 1
    assert "could not download" in answer.stderr
    assert "HTTPS_PROXY" in answer.stderr
    assert str(cache) in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_cache_that_cant_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(JarsError, match=re.escape(str(tmp_path / "file" / "jars"))):
        ensure_jars()
