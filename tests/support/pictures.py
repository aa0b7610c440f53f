"""Pictures of the page, to be looked at: of the tests in an ignored folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.watched import SIZES

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER: Final = Path(__file__).parents[2] / ".pictures"


def picture(page: Page, name: str, theme: str, width: int, *, folder: Path = FOLDER) -> Path:
    """The whole page at a width; returns the file."""
    folder.mkdir(exist_ok=True)
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    path = folder / f"{name}-{theme}-{width}.png"
    page.screenshot(path=path, full_page=True)
    return path
