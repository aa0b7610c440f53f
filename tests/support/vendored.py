"""What the page bundles of others, copied from the registry's packages as they are.

``python -m tests.support.vendored`` copies anew; the lock beside the page's tests names versions.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from tests.support.node import installed

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "tests" / "integration" / "page"
ASSETS: Final = ROOT / "streams" / "api" / "page" / "assets"
VENDOR: Final = ASSETS / "vendor"
MANIFEST: Final = VENDOR / "manifest.json"

#: Our name, package, path within it.
_FILES: Final = (
    ("lit-html.js", "lit-html", "lit-html.js"),
    ("lit-html.LICENSE.txt", "lit-html", "LICENSE"),
    ("uPlot.iife.min.js", "uplot", "dist/uPlot.iife.min.js"),
    ("uPlot.min.css", "uplot", "dist/uPlot.min.css"),
    ("uPlot.LICENSE.txt", "uplot", "LICENSE"),
    (
        "inter-latin-wght-normal.woff2",
        "@fontsource-variable/inter",
        "files/inter-latin-wght-normal.woff2",
    ),
    ("inter.LICENSE.txt", "@fontsource-variable/inter", "LICENSE"),
)


def originals() -> dict[str, bytes]:
    """Our names of the files, and what the registry's packages hold."""
    modules = installed(PACKAGE) / "node_modules"
    return {name: _plain(modules / package / path) for name, package, path in _FILES}


def manifest(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """Where each file is from, and its SHA-256."""
    lock = json.loads((PACKAGE / "package-lock.json").read_text())["packages"]
    return [
        {
            "file": name,
            "package": package,
            "version": lock[f"node_modules/{package}"]["version"],
            "path": path,
            "sha256": hashlib.sha256(files[name]).hexdigest(),
        }
        for name, package, path in _FILES
    ]


def _plain(path: Path) -> bytes:
    """The file; a source map that is not bundled is not pointed to either."""
    lines = path.read_bytes().split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(b"//# sourceMappingURL="))


def main() -> None:
    """Copy everything anew."""
    files = originals()
    VENDOR.mkdir(exist_ok=True)
    for name, content in files.items():
        (VENDOR / name).write_bytes(content)
    MANIFEST.write_text(json.dumps(manifest(files), indent=2) + "\n")


if __name__ == "__main__":
    main()
