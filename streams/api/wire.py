"""Bodies in and out: JSON read with care, and what the OpenAPI document says of both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response

from streams.api.query.fields import FIELDS
from streams.api.query.paging import LONGEST_CURSOR, MOST_LIMIT, MOST_OFFSET
from streams.api.query.projection import MOST_FIELDS
from streams.api.query.sorting import MOST_KEYS
from streams.api.query.violations import refuse

if TYPE_CHECKING:
    from starlette.requests import Request

_GUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Schema = dict[str, Any]


async def read_json(request: Request) -> Any:  # noqa: ANN401  # whatever was sent
    """The body as JSON; an empty one is an empty object.

    Raises:
        InvalidRequestError: it is none.
    """
    body = await request.body()
    if not body.strip():
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise refuse("body", "is no JSON", "FORMAT") from None


def read_guid(text: str, *, at: str) -> str:
    """A GUID in lower case.

    Raises:
        InvalidRequestError: it is none.
    """
    if not _GUID.fullmatch(text.lower()):
        raise refuse(at, "must be a GUID", "FORMAT")
    return text.lower()


def json_response(body: bytes) -> Response:
    """200 with JSON that is made already."""
    return Response(body, media_type="application/json")


def object_of(properties: dict[str, Schema], *, required: tuple[str, ...] = ()) -> Schema:
    """The schema of an object; what it does not name may be there too."""
    schema: Schema = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def list_of(items: Schema, **more: object) -> Schema:
    """The schema of a list."""
    return {"type": "array", "items": items, **more}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer"}
ENTITY: Final[Schema] = {
    "type": "object",
    "title": "AbandonedCheckout",
    "description": "As Wix documents it, with every field that Wix sent.",
}
_LIMIT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": 50}
_SORTABLE: Final = [path for path, field in FIELDS.items() if field.is_sortable]
_QUESTION: Final = {
    "filter": {
        "type": "object",
        "description": "Wix's query language. Fields: " + ", ".join(FIELDS) + ".",
    },
    "sort": list_of(
        object_of(
            {
                "fieldName": {"type": "string", "enum": _SORTABLE},
                "order": {"type": "string", "enum": ["ASC", "DESC"], "default": "ASC"},
            },
            required=("fieldName",),
        ),
        maxItems=MOST_KEYS,
    ),
    "paging": object_of(
        {"limit": _LIMIT, "offset": {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET}}
    ),
    "cursorPaging": object_of(
        {"limit": _LIMIT, "cursor": {"type": "string", "maxLength": LONGEST_CURSOR}}
    ),
}
QUERY_BODY: Final = object_of(
    {
        "query": object_of(
            {
                **_QUESTION,
                "fields": list_of(TEXT, maxItems=MOST_FIELDS),
                "fieldsets": list_of(TEXT),
            }
        )
    }
)
SEARCH_BODY: Final = object_of(
    {
        "search": object_of(
            {
                **_QUESTION,
                "search": object_of(
                    {
                        "expression": {"type": "string", "maxLength": 100},
                        "mode": {"type": "string", "enum": ["OR", "AND"], "default": "OR"},
                        "fields": list_of(TEXT),
                        "fuzzy": {"type": "boolean", "description": "Makes no difference here."},
                    }
                ),
            }
        )
    }
)
METADATA: Final = object_of(
    {
        "count": NUMBER,
        "offset": NUMBER,
        "total": NUMBER,
        "tooManyToCount": {"type": "boolean"},
        "cursors": object_of({"next": TEXT, "prev": TEXT}),
    },
    required=("count",),
)
_VIOLATION: Final = object_of(
    {"field": TEXT, "description": TEXT, "violatedRule": TEXT},
    required=("field", "description", "violatedRule"),
)
ERROR: Final = object_of(
    {
        "message": TEXT,
        "details": object_of(
            {
                "applicationError": object_of(
                    {"code": TEXT, "description": TEXT, "data": {"type": "object"}}
                ),
                "validationError": object_of({"fieldViolations": list_of(_VIOLATION)}),
            }
        ),
    },
    required=("message", "details"),
)


def body_of(schema: Schema) -> Schema:
    """``openapi_extra`` of an endpoint that takes this JSON."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answers(schema: Schema, *more: int) -> dict[int | str, dict[str, Any]]:
    """``responses`` of an endpoint: this JSON, or an error, also one of these."""
    return {
        200: {"description": "OK", "content": {"application/json": {"schema": schema}}},
        **errors(*more),
    }


def errors(*more: int) -> dict[int | str, dict[str, Any]]:
    """``responses`` of every endpoint's errors, and these."""
    return {
        status: {
            "description": "An error, as Wix shapes it.",
            "content": {"application/json": {"schema": ERROR}},
        }
        for status in sorted({*more, 400, 401, 403, 413, 429, 503})
    }
