"""The page in a browser, watched: what it complains of, and whom it talks to."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tests.support.node import installed
from tests.support.services import wait_until
from tests.support.vendored import PACKAGE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES: Final = {360: 780, 1280: 800, 2560: 1440}
THEMES: Final = ("light", "dark")


class Watched:
    """A page in a context of its own: an American reader in Berlin.

    ``complaints``: errors and warnings of the console, and exceptions. ``asked``: addresses of all
    requests since the last call of ``forget``. ``strangers``: those of another host.
    """

    def __init__(self, browser: Browser, url: str, *, theme: Any = "light") -> None:
        self.url = url
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.context = browser.new_context(
            locale="en-US",
            timezone_id="Europe/Berlin",
            color_scheme=theme,
            reduced_motion="reduce",
            viewport={"width": 1280, "height": SIZES[1280]},
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    @property
    def strangers(self) -> list[str]:
        return [one for one in self.asked if not one.startswith((self.url, "data:"))]

    def forget(self) -> None:
        self.complaints.clear()
        self.asked.clear()

    def sign_in(self, token: str) -> None:
        """Get the cookie without the form."""
        answer = self.context.request.post(
            f"{self.url}/session", data={"token": token}, headers={"origin": self.url}
        )
        assert answer.status == 204, answer.text()

    def show(self, view: str) -> None:
        """Go to a view and wait until it has its numbers."""
        self.page.goto(f"{self.url}/#/{view}")
        self.page.get_by_text("Live", exact=True).wait_for()
        self.until("document.querySelector('h1') && !document.querySelector('.loading')")

    def until(self, condition: str) -> None:
        """Asked from here: what waits in the page would evaluate text, which its CSP forbids."""
        wait_until(lambda: self.page.evaluate(f"Boolean({condition})"), 30, lambda: condition)

    def barriers(self) -> list[str]:
        """What axe finds: each broken rule with where it is broken."""
        self.page.evaluate(_axe())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{rule['id']}: {', '.join(str(node['target']) for node in rule['nodes'])} "
            f"{json.dumps(rule['nodes'][0]['any'][:1])}"
            for rule in found["violations"]
        ]

    def close(self) -> None:
        self.context.close()

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} {message.location}")


@cache
def _axe() -> str:
    return (installed(PACKAGE) / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
