"""Writes the JSON Schemas (2020-12) of the contracts: ``python -m schemas.export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .conversion import ConversionV1
from .lifecycle import LIFECYCLE
from .source import SourceEventV1

DIRECTORY = Path(__file__).with_name("json")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schemas() -> dict[str, dict[str, Any]]:
    """Schema of each public topic's value, by topic name."""
    return {
        name: {"$schema": _DIALECT, "title": name, **schema}
        for name, schema in {
            "wix.abandoned-checkouts.v1": SourceEventV1.model_json_schema(),
            "checkout-recovery.events.v1": LIFECYCLE.json_schema(),
            "checkout-recovery.conversion.v1": ConversionV1.model_json_schema(),
        }.items()
    }


def main() -> None:
    """Write one file a topic."""
    DIRECTORY.mkdir(exist_ok=True)
    for name, schema in json_schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (DIRECTORY / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
