"""Golden records: what the product publishes, as committed examples of every case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .consumer import EVENTS, Record

_EXAMPLES = Path(__file__).with_name("examples")


def golden_records(topic: str = EVENTS) -> dict[str, Record]:
    """Every committed record of a topic by its name, in the order of the story that they tell."""
    found = {}
    for file in sorted((_EXAMPLES / topic).glob("*.json")):
        found[file.stem] = record(json.loads(file.read_text("utf-8")), topic=topic)
    return found


def record(content: dict[str, Any], *, topic: str = EVENTS, offset: int = 0) -> Record:
    """A record out of its readable form, with the bytes that are on the wire."""
    key = content["key"]
    return Record(
        key=None if key is None else key.encode(),
        value=json.dumps(content["value"], ensure_ascii=False, separators=(",", ":")).encode(),
        headers={name: text.encode() for name, text in content["headers"].items()},
        topic=topic,
        offset=offset,
    )
