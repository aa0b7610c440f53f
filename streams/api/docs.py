"""The page of docs for people, made of the OpenAPI document: plain HTML without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Json = Mapping[str, Any]

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { border-top: 1px solid #ccc; padding-top: 1rem } code { background: #f3f3f3 }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem .8rem .2rem 0 }
.method { font-weight: bold; text-transform: uppercase }
"""
_INTRODUCTION: Final = (
    "<p>For programs: <a href=/openapi.json>/openapi.json</a>. Every request but a redirect "
    "needs a token in the header <code>Authorization</code>. Every answer says in "
    "<code>X-Checkout-Recovery-As-Of</code> up to when it is complete; with "
    "<code>?min_position=</code> and what the ingress returned in "
    "<code>X-Checkout-Recovery-Position</code> it waits for that webhook.</p>"
)


def docs_page(document: Json) -> str:
    """The whole page."""
    info = document["info"]
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(info['title'])}</h1><p>{escape(info.get('description', ''))}</p>",
        _INTRODUCTION,
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.extend(_operation(path, method, operation))
    return "".join((*parts, "</body></html>"))


def _operation(path: str, method: str, operation: Json) -> Iterable[str]:
    title = operation.get("summary", path)
    yield f"<h2>{escape(title)}</h2>"
    yield f"<p><span class=method>{escape(method)}</span> <code>{escape(path)}</code></p>"
    for paragraph in operation.get("description", "").split("\n\n"):
        yield f"<p>{escape(paragraph)}</p>"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "<table><tr><th>parameter<th>in<th>default<th>meaning</tr>"
        for item in parameters:
            cells = (
                f"<code>{escape(item['name'])}</code>",
                escape(item["in"]),
                escape(str(item.get("schema", {}).get("default", ""))),
                escape(item.get("description", "")),
            )
            yield f"<tr><td>{'<td>'.join(cells)}</tr>"
        yield "</table>"
    yield f"<p>Answers: {escape(', '.join(operation['responses']))}</p>"
