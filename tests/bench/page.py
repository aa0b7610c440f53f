"""Measures how fast the live page answers, with many sites, under traffic.

    python -m tests.bench.page [--sites 10000] [--rate 200]

A page in Chromium is typed into and clicked; the browser's Event Timing says how long each
interaction took until the next frame. What open pages cost the API is measured by ``live``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streams.config import load_settings
from tests.bench.live import fill
from tests.support.chromium import browser
from tests.support.services import wait_until
from tests.support.up import COMMAND, running_up
from tests.support.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROMISE_MS: Final = 100.0
_FILL_SECONDS: Final = 120

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
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, installation(Path(folder)) as up:
        fill_and_wait(up, options.sites)
        with simulator(up, options.sites, options.rate, Path(folder)):
            time.sleep(10)
            worst = interact(up)
            now = ask(up, "/v1/operations")
    print(  # noqa: T201  # its output
        f"{options.sites} sites, {now['events_in_per_second']:.0f} events/s in, load of the "
        f"machine {os.getloadavg()[0]:.1f}\nslowest interaction of each kind, ms: {worst}"
    )
    return 0 if max(worst.values(), default=0) < _PROMISE_MS else 1


@contextmanager
def installation(folder: Path) -> Iterator[dict[str, Any]]:
    """The line of a running ``up`` that takes the simulator's key."""
    keys = folder / "keys"
    keys.mkdir()
    with simulation("http://127.0.0.1:9/", folder, "--seconds", "0.1") as warm_up:
        warm_up.wait(60)
    with running_up(keys) as line:
        yield line


@contextmanager
def simulation(url: str, folder: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Simulated shops that post."""
    key = folder / "keys" / "simulated.pem"
    with subprocess.Popen(
        [*COMMAND, "simulate", url, "--public-key", str(key), *more],
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


def fill_and_wait(up: dict[str, Any], sites: int) -> None:
    """Let every site have a record, and the API know it."""
    fill(load_settings(bootstrap_servers=up["bootstrap_servers"]), sites)
    wait_until(lambda: known_sites(up) >= sites, _FILL_SECONDS)


def known_sites(up: dict[str, Any]) -> int:
    """Of how many sites the API has rates; 0 before the first."""
    overview = ask(up, "/v1/overview")
    return int(overview["sites"]) if overview else 0


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
    assert timings, "no interaction was timed"
    worst: dict[str, float] = {}
    for name, milliseconds in timings:
        worst[name] = max(worst.get(name, 0.0), float(milliseconds))
    return worst


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
