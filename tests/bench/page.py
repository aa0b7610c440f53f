"""Measures the live page with many sites: how fast it answers, and what open pages cost the API.

    python -m tests.bench.page [--sites 10000] [--rate 200] [--pages 20] [--seconds 30]

One page is a real one in Chromium, which is typed into and clicked; a browser's Event Timing says
how long each interaction took until the next frame. The others are readers that ask what an open
page asks, as often: they cost the API the same and this machine less. The API's CPU time is what
the kernel says of its process, with the pages minus without.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.chromium import browser
from tests.support.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMAND: Final = [sys.executable, "-m", "streams"]
_OVERVIEW_SECONDS: Final = 2.0
_DETAIL_SECONDS: Final = 15.0
_WINDOW: Final = "30d"
_PROMISE_MS: Final = 100.0
_PROMISE_CORES: Final = 0.25
_FILL_RATE: Final = 1_000
_ENOUGH: Final = 0.99

_OBSERVE: Final = """() => {
  window.timings = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) {
      if (one.interactionId) window.timings.push([one.name, one.duration]);
    }
  }).observe({ type: "event", durationThreshold: 16, buffered: false });
}"""


def main() -> int:
    """Run it; 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, installation(Path(folder)) as up:
        fill(up, options.sites, Path(folder))
        with simulator(up, options.sites, options.rate, Path(folder)):
            time.sleep(10)
            alone = cores(up, options.seconds)
            readers = [Reader(up) for _ in range(options.pages - 1)]
            worst = interact(up)
            shared = cores(up, options.seconds)
            now = ask(up, "/v1/operations")
            for reader in readers:
                reader.stop()
    pages = shared - alone
    print(  # noqa: T201  # its output
        f"{options.sites} sites, {now['events_in_per_second']:.0f} events/s in, "
        f"{options.pages} pages: {sum(r.answers for r in readers)} answers and "
        f"{sum(r.events for r in readers)} events to readers\n"
        f"API without pages {alone:.2f} cores, with them {shared:.2f}: {pages:.2f} for the pages\n"
        f"slowest interaction of each kind, ms: {worst}"
    )
    is_fast = max(worst.values(), default=0) < _PROMISE_MS
    return 0 if is_fast and pages < _PROMISE_CORES else 1


@contextmanager
def installation(folder: Path) -> Iterator[dict[str, Any]]:
    """The line of a running ``up`` that takes the simulator's key."""
    keys = folder / "keys"
    keys.mkdir()
    with simulation("http://127.0.0.1:9/", folder, "--seconds", "0.1") as warm_up:
        warm_up.wait(60)
    with subprocess.Popen(
        [*_COMMAND, "up", "--json", "--wix-public-key", str(keys)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def simulation(url: str, folder: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Simulated shops that post."""
    key = folder / "keys" / "simulated.pem"
    with subprocess.Popen(
        [*_COMMAND, "simulate", url, "--public-key", str(key), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def simulator(up: dict[str, Any], sites: int, rate: int, folder: Path) -> Iterator[None]:
    """Shops that post at a rate until the end."""
    more = ("--sites", str(sites), "--rate", str(rate))
    with simulation(up["ingress_url"], folder, *more):
        yield


def fill(up: dict[str, Any], sites: int, folder: Path) -> None:
    """Let nearly every site be heard of."""
    with simulator(up, sites, _FILL_RATE, folder):
        while int(ask(up, "/v1/overview")["sites"]) < sites * _ENOUGH:
            time.sleep(2)


class Reader:
    """Asks what an open page asks, in a thread."""

    def __init__(self, up: dict[str, Any]) -> None:
        self._up = up
        self._is_stopped = False
        self.answers = self.events = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_stopped = True
        self._thread.join(15)

    def _read(self) -> None:
        overview_at = detail_at = -float("inf")
        with urllib.request.urlopen(request(self._up, "/v1/live"), timeout=30) as stream:
            for line in stream:
                if self._is_stopped:
                    return
                self.events += line.startswith(b"event: ")
                if line.strip() != b"event: overview":
                    continue
                now = time.monotonic()
                if now >= overview_at + _OVERVIEW_SECONDS:
                    overview_at = now
                    self._ask("/v1/overview")
                if now >= detail_at + _DETAIL_SECONDS:
                    detail_at = now
                    self._ask(f"/v1/overview/series?window={_WINDOW}")
                    self._ask(f"/v1/overview/recovery-times?window={_WINDOW}")

    def _ask(self, address: str) -> None:
        ask(self._up, address)
        self.answers += 1


def interact(up: dict[str, Any]) -> dict[str, float]:
    """Use the page for a while: the slowest interaction of each kind, in milliseconds."""
    site = ask(up, "/v1/overview/sites?limit=1")["sites"][0]["instance_id"]
    with browser() as running:
        watched = Watched(running, up["api_url"])
        watched.sign_in(up["api_token"])
        watched.show("recovery")
        page = watched.page
        page.evaluate(_OBSERVE)
        for _ in range(3):
            page.get_by_role("combobox", name="Site").click()
            page.keyboard.type(site[:4], delay=120)
            page.get_by_role("option").first.click()
            page.get_by_label("7 days", exact=True).check()
            page.wait_for_timeout(1500)
            page.get_by_label("30 days", exact=True).check()
            page.get_by_text("As a table").first.click()
            page.get_by_role("link", name="Checkouts").click()
            page.get_by_role("searchbox").fill("a")
            page.keyboard.press("Enter")
            page.wait_for_timeout(1500)
            page.get_by_role("link", name="Operations").click()
            page.wait_for_timeout(1500)
            page.get_by_role("link", name="Recovery", exact=True).click()
            page.wait_for_timeout(1500)
        timings = page.evaluate("window.timings")
        watched.close()
    worst: dict[str, float] = {}
    for name, milliseconds in timings:
        worst[name] = max(worst.get(name, 0.0), float(milliseconds))
    return worst


def cores(up: dict[str, Any], seconds: float) -> float:
    """CPU seconds a second of the API's process."""
    before = cpu_seconds(up["pids"]["api"])
    time.sleep(seconds)
    return (cpu_seconds(up["pids"]["api"]) - before) / seconds


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(up: dict[str, Any], address: str) -> Any:
    """What the API answers."""
    with urllib.request.urlopen(request(up, address), timeout=30) as answer:
        return json.load(answer)


def request(up: dict[str, Any], address: str) -> urllib.request.Request:
    return urllib.request.Request(
        up["api_url"] + address, headers={"Authorization": up["api_token"]}
    )


if __name__ == "__main__":
    sys.exit(main())
