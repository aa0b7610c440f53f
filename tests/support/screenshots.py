"""Pictures of the page in front of the demo, for the README and to be looked at.

``python -m tests.support.screenshots``: what the README shows goes to docs/pictures, every view at
every width in both themes to the ignored folder of the tests.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Final

from tests.support.chromium import browser
from tests.support.pictures import FOLDER, picture
from tests.support.services import wait_until
from tests.support.watched import SIZES, THEMES, Watched

SHOWN: Final = Path(__file__).parents[2] / "docs" / "pictures"
#: Of the README: the first screen as a laptop shows it.
WIDTH: Final = 1280
_ADDRESS: Final = re.compile(r"(http://127\.0\.0\.1:\d+).*token[ =](crt_[\w-]+)\"?$")
_ENOUGH: Final = 400


def main() -> None:
    """Run the demo, look at it, end it."""
    with subprocess.Popen(
        [sys.executable, "-m", "streams", "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as demo:
        try:
            url, token = _address(demo)
            wait_until(lambda: _counted(url, token) >= _ENOUGH, 240)
            with browser() as running:
                for theme in THEMES:
                    _look(Watched(running, url, theme=theme), token, theme)
        finally:
            demo.terminate()
            demo.wait(60)
    sys.stdout.write(f"{SHOWN}\n{FOLDER}\n")


def _address(demo: subprocess.Popen[str]) -> tuple[str, str]:
    assert demo.stdout is not None
    for line in demo.stdout:
        event = json.loads(line).get("event", "") if line.startswith("{") else line
        if found := _ADDRESS.search(event):
            return found[1], found[2]
    raise SystemExit("the demo ended before it told its address")


def _counted(url: str, token: str) -> int:
    windows = _ask(f"{url}/v1/overview", token)["windows"]
    return int(windows[-1]["matured"]["abandoned"]) if windows else 0


def _look(watched: Watched, token: str, theme: str) -> None:
    watched.sign_in(token)
    site = _ask(f"{watched.url}/v1/overview/sites?limit=1", token)["sites"][0]["instance_id"]
    recovered = _ask(f"{watched.url}/v1/overview/recent?limit=1", token)["recoveries"][0]
    views = {
        "recovery": "recovery",
        "site": f"recovery?site={site}&window=7d",
        "checkouts": "checkouts",
        "checkout": f"checkouts/{recovered['abandoned_checkout_id']}",
        "operations": "operations",
    }
    SHOWN.mkdir(exist_ok=True)
    for name, address in views.items():
        watched.page.set_viewport_size({"width": WIDTH, "height": SIZES[WIDTH]})
        watched.show(address)
        if name in {"recovery", "operations"}:
            watched.page.screenshot(path=SHOWN / f"{name}-{theme}.png")
        for width in SIZES:
            picture(watched.page, name, theme, width)
    watched.close()


def _ask(address: str, token: str) -> Any:
    request = urllib.request.Request(address, headers={"Authorization": token})  # loopback
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
