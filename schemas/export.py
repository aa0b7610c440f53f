"""Writes the JSON Schemas (2020-12) of the contracts: ``python -m schemas.export``.

Of a topic's values: ``json/<topic>.json``; of its headers: ``json/headers/<topic>.json``.

With ``--release 1.2.0`` it keeps them as released: later ones are compared with these.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from .conversion import ConversionV1
from .headers import HEADERS, header_schema
from .lifecycle import LIFECYCLE
from .source import SourceEventV1

DIRECTORY = Path(__file__).with_name("json")
RELEASED = Path(__file__).with_name("released")
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


def header_schemas() -> dict[str, dict[str, Any]]:
    """Schema of each public topic's headers, by topic name."""
    return {
        name: {"$schema": _DIALECT, "title": f"Headers of {name}", **header_schema(declared)}
        for name, declared in HEADERS.items()
    }


def write(directory: Path) -> None:
    """Write one file for the values and one for the headers of a topic."""
    for folder, schemas in ((directory, json_schemas()), (directory / "headers", header_schemas())):
        folder.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas.items():
            text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
            (folder / f"{name}.json").write_text(text, "utf-8")


def main(arguments: list[str]) -> None:
    """Write the current schemas, or keep them under a version."""
    if arguments[:1] == ["--release"] and len(arguments) == 2:  # noqa: PLR2004  # option and version
        write(RELEASED / arguments[1])
    elif arguments:
        sys.exit("usage: python -m schemas.export [--release VERSION]")
    else:
        write(DIRECTORY)


if __name__ == "__main__":
    main(sys.argv[1:])
