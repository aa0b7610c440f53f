"""The page's files: nothing inline, nothing from elsewhere, and what is others' is untouched."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.vendored import ASSETS, MANIFEST, VENDOR, manifest, originals

if TYPE_CHECKING:
    from pathlib import Path

OURS = sorted(path for path in ASSETS.rglob("*") if path.is_file() and path.parent != VENDOR)
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)")
IMPORT = re.compile(r'^import .*?"([^"]+)";$', re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r'(?:src|href)="(/[^"]+)"|url\("(/[^"]+)"\)')


def test_every_bundled_file_is_in_the_manifest_as_it_is() -> None:
    listed = {one["file"]: one["sha256"] for one in json.loads(MANIFEST.read_text())}
    there = {path.name for path in VENDOR.iterdir()} - {MANIFEST.name}
    assert set(listed) == there
    for name, digest in listed.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_bundled_files_are_the_registry_s() -> None:
    files = originals()
    assert manifest(files) == json.loads(MANIFEST.read_text())


def test_every_bundled_package_brings_its_licence() -> None:
    listed = json.loads(MANIFEST.read_text())
    licensed = {one["package"] for one in listed if one["file"].endswith("LICENSE.txt")}
    assert licensed == {one["package"] for one in listed}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_file_of_the_page_has_nothing_inline_and_names_no_other_host(path: Path) -> None:
    text = path.read_text("utf-8")
    assert INLINE.findall(text) == []
    assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_whatever_a_file_of_the_page_names_is_there(path: Path) -> None:
    text = path.read_text("utf-8")
    for name in IMPORT.findall(text):
        assert (path.parent / name).resolve().is_file(), name
    for found in ADDRESS.findall(text):
        address = next(filter(None, found))
        if address.startswith("/assets/"):
            assert (ASSETS / address.removeprefix("/assets/")).is_file(), address
