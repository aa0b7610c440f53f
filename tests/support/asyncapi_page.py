"""The AsyncAPI document as a page for people: one file, no script, nothing fetched.

``python -m tests.support.asyncapi_page`` writes ``docs/asyncapi.html`` anew; a test compares. It is
made of the document alone, so that page and document can't differ. AsyncAPI's own component was
the alternative: 2.5 MB of script in the file, and a page that no diff can be read of.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from tests.support.asyncapi import DOCUMENT

PAGE: Final = Path(__file__).parents[2] / "docs" / "asyncapi.html"
FRAME: Final = Path(__file__).with_name("asyncapi_page.html")

#: What the patterns of the contracts ask for, in words.
PATTERNS: Final = {
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$": "instant: RFC 3339, UTC, milliseconds",
    r"^\d+(\.\d+)?$": "decimal number as a string",
    r"^\d+\.\d{6}$": "decimal number with six places, as a string",
    "^[A-Z]{3}$": "three capital letters",
    "^https://": "address that begins with https://",
}

Json = dict[str, Any]


def page(document: Json) -> str:
    """The whole page."""
    info = document["info"]
    payloads = {
        message["payload"].get("$ref") for message in document["components"]["messages"].values()
    }
    parts = {
        name: schema
        for name, schema in document["components"]["schemas"].items()
        if f"#/components/schemas/{name}" not in payloads
    }
    return Template(FRAME.read_text("utf-8")).substitute(
        title=escape(info["title"]),
        version=escape(info["version"]),
        asyncapi=escape(document["asyncapi"]),
        licence=escape(info["license"]["name"]),
        description=escape(info["description"]),
        contents="\n".join(
            [
                *(entry(document, channel) for channel in document["channels"].values()),
                f"<li>{link('servers', 'Servers')}</li>",
                f"<li>{link('parts', 'Parts of values')}</li>",
            ]
        ),
        channels="\n".join(
            channel_section(document, channel) for channel in document["channels"].values()
        ),
        servers=table(
            ("name", "host", "protocol", "security", "what"),
            [server_row(document, name, one) for name, one in document["servers"].items()],
        ),
        parts="\n".join(part(name, schema) for name, schema in sorted(parts.items())),
    )


def entry(document: Json, channel: Json) -> str:
    """A topic in the table of contents, with its messages below."""
    inner = "".join(
        f"<li>{link(message['name'], message['name'])}</li>"
        for message in messages(document, channel)
    )
    return f"<li>{link(channel['address'], channel['address'])}<ul>{inner}</ul></li>"


def channel_section(document: Json, channel: Json) -> str:
    inside = messages(document, channel)
    values = [resolved(document, message["payload"]) for message in inside]
    shared = shared_fields(values)
    blocks = [
        "<section>",
        heading(2, channel["address"]),
        facts(channel),
    ]
    if shared:
        always = set.intersection(*(set(value.get("required", ())) for value in values))
        blocks += ["<h3>Fields of every value here</h3>", fields(shared, always)]
    for message, value in zip(inside, values, strict=True):
        blocks.append(message_block(message, value, leave_out=shared))
    return "\n".join([*blocks, "</section>"])


def facts(channel: Json) -> str:
    binding = channel["bindings"]["kafka"]
    config = binding["topicConfiguration"]
    rows = {
        "Purpose": channel["x-purpose"],
        "Owner": channel["x-owner"],
        "Key": channel["x-key"],
        "Written by": ", ".join(channel["x-written-by"]),
        "Read by": ", ".join(channel["x-read-by"]),
        "Personal data": ", ".join(channel["x-personal-data"]) or "none",
        "Kept": channel["x-retention"],
        "Partitions and replicas": f"{binding['partitions']} and {binding['replicas']}",
        "Largest record": f"{config['max.message.bytes'] >> 20} MiB",
    }
    lines = "".join(f"<dt>{name}</dt><dd>{escape(str(text))}</dd>" for name, text in rows.items())
    return f"<dl>{lines}</dl>"


def message_block(message: Json, value: Json, *, leave_out: Json) -> str:
    own = {
        name: schema
        for name, schema in value.get("properties", {}).items()
        if name not in leave_out
    }
    headers = message["headers"]
    blocks = [
        heading(3, message["name"]),
        f"<p>{escape(message['summary'])}</p>",
        fields(own, set(value.get("required", ())))
        if own
        else f"<p>{escape(value.get('description', 'Any JSON.'))}</p>",
        "<details><summary>Headers</summary>",
        fields(headers["properties"], set(headers["required"])),
        "</details>",
    ]
    for example in message["examples"]:
        text = json.dumps(
            {"headers": example["headers"], "value": example["payload"]},
            ensure_ascii=False,
            indent=1,
        )
        blocks.append(
            f"<details><summary>Example: {escape(example['name'])}</summary>"
            f"<pre>{escape(text)}</pre></details>"
        )
    return "\n".join(blocks)


def part(name: str, schema: Json) -> str:
    described = f"<p>{escape(schema.get('description', ''))}</p>"
    required = set(schema.get("required", ()))
    return f"{heading(3, name)}\n{described}\n{fields(schema['properties'], required)}"


def server_row(document: Json, name: str, server: Json) -> list[str]:
    ways = [resolved(document, one)["description"] for one in server.get("security", ())]
    host = server["host"]
    for variable, about in server.get("variables", {}).items():
        host = host.replace(f"{{{variable}}}", about["default"])
    return [
        *(escape(name), f"<code>{escape(host)}</code>", escape(server["protocol"])),
        *(escape(" Or: ".join(ways)) or "none", escape(server["description"])),
    ]


def fields(properties: Json, required: set[str]) -> str:
    """A table of fields; an open value may hold others."""
    rows = [
        [
            f"<code>{escape(name)}</code>",
            kind(schema),
            "always" if name in required else "optional",
            escape(schema.get("description", "")),
        ]
        for name, schema in properties.items()
    ]
    return table(("field", "type", "present", "meaning"), rows)


def kind(schema: Json) -> str:
    """The type of a field, as a person says it."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return link(name, name)
    if "anyOf" in schema:
        return " or ".join(kind(one) for one in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in values)
    if schema.get("type") == "array":
        least = f", at least {schema['minItems']}" if "minItems" in schema else ""
        return f"list of {kind(schema['items'])}{least}"
    name = str(schema.get("type", "anything"))
    if "pattern" in schema:
        return PATTERNS[schema["pattern"]]
    if "minimum" in schema:
        return f"{name}, at least {schema['minimum']}"
    return name


def shared_fields(values: list[Json]) -> Json:
    """Fields that all values of a topic have in the same way; none if there is but one value."""
    if len(values) == 1:
        return {}
    first, *others = [value.get("properties", {}) for value in values]
    return {
        name: schema
        for name, schema in first.items()
        if all(other.get(name) == schema for other in others)
    }


def messages(document: Json, channel: Json) -> list[Json]:
    return [resolved(document, one) for one in channel["messages"].values()]


def resolved(document: Json, schema: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Any = document
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    assert isinstance(found, dict)
    return found


def table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    inside = f"<thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>'


def heading(level: int, name: str) -> str:
    return f'<h{level} id="{escape(name)}"><code>{escape(name)}</code></h{level}>'


def link(target: str, text: str) -> str:
    return f'<a href="#{escape(target)}"><code>{escape(text)}</code></a>'


def text() -> str:
    return page(json.loads(DOCUMENT.read_text("utf-8")))


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
