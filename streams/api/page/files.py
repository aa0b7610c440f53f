"""Reads the page's files once; each is answered with its type, its tag and the page's policy.

Invariant: the policy lets the page load from its own address and from nowhere else, and run no
script that is not a file of ours.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
#: A new release changes files under the same name, so a browser asks each time; 304 is cheap.
_CACHING: Final = "no-cache"
_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "mjs": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "woff2": "font/woff2",
}
INDEX: Final = "index.html"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is answered."""

    body: bytes
    media_type: str
    etag: str

    @property
    def headers(self) -> dict[str, str]:
        """What goes with it, also when the browser has it already."""
        return {
            "content-type": self.media_type,
            "etag": self.etag,
            "cache-control": _CACHING,
            "content-security-policy": _POLICY,
            "cross-origin-opener-policy": "same-origin",
        }


def read_files() -> dict[str, File]:
    """All files of the page by their path below ``/assets/``; of other types than ours none."""
    return {path: _file(path, found.read_bytes()) for path, found in _walk(_folder(), "")}


def _folder() -> Traversable:
    return files("streams.api.page").joinpath("assets")


def _walk(folder: Traversable, parent: str) -> Iterator[tuple[str, Traversable]]:
    for found in folder.iterdir():
        path = parent + found.name
        if found.is_dir():
            yield from _walk(found, f"{path}/")
        elif _suffix(path) in _TYPES:
            yield path, found


def _file(path: str, body: bytes) -> File:
    digest = hashlib.sha256(body).hexdigest()
    return File(body, _TYPES[_suffix(path)], f'"{digest[:32]}"')


def _suffix(path: str) -> str:
    return path.rpartition(".")[2]
