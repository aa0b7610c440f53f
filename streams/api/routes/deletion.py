"""Deletes checkouts from all our copies; Wix's own copy stays as it is."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Request
from sqlalchemy import select
from starlette.responses import Response

from streams.adapters.database.tables import CHECKOUTS
from streams.api import wire
from streams.api.callers import Caller
from streams.api.deletions import Deletion
from streams.api.dependencies import Deleter, Parts
from streams.api.errors import ApiError
from streams.api.query.violations import InvalidRequestError, Violation, refuse
from streams.api.services import Services

router: Final = APIRouter(tags=["Wix"])

_MOST: Final = 100
_LONGEST_ID: Final = 512


_BODY: Final = wire.object_of(
    {"abandonedCheckoutIds": wire.list_of(wire.TEXT, minItems=1, maxItems=_MOST)},
    required=("abandonedCheckoutIds",),
)
_ITEM: Final = wire.object_of(
    {
        "id": wire.TEXT,
        "originalIndex": wire.NUMBER,
        "success": {"type": "boolean"},
        "error": wire.object_of(
            {"code": wire.TEXT, "description": wire.TEXT}, required=("code", "description")
        ),
    },
    required=("id", "originalIndex", "success"),
)
_RESULT: Final = wire.object_of(
    {
        "results": wire.list_of(wire.object_of({"itemMetadata": _ITEM})),
        "bulkActionMetadata": wire.object_of(
            {
                "totalSuccesses": wire.NUMBER,
                "totalFailures": wire.NUMBER,
                "undetailedFailures": wire.NUMBER,
            }
        ),
    },
    required=("results", "bulkActionMetadata"),
)


@router.delete(
    "/ecom/v1/abandoned-checkout/{abandoned_checkout_id}",
    summary="Delete Abandoned Checkout",
    responses=wire.answers(wire.object_of({}), 404),
)
async def delete_checkout(
    abandoned_checkout_id: Annotated[
        str, Path(description="Abandoned checkout GUID.", max_length=64)
    ],
    caller: Deleter,
    services: Parts,
) -> Response:
    """Delete a checkout everywhere but at Wix. Answers when our own answers are without it."""
    checkout_id = wire.read_guid(abandoned_checkout_id, at="abandonedCheckoutId")
    found = await _find(services, caller, [checkout_id])
    if not found:
        raise ApiError(404, "NOT_FOUND", f"abandoned checkout {checkout_id} was not found")
    [is_done] = await services.deletions.delete(list(found.values()), by=caller.name)
    if not is_done:
        raise ApiError(
            503,
            "UNAVAILABLE",
            "the deletion is not known to be everywhere yet: ask for it again",
            headers={"retry-after": "5"},
        )
    return Response(b"{}", media_type="application/json")


@router.post(
    "/ecom/v1/bulk/abandoned-checkout/delete",
    summary="Bulk Delete Abandoned Checkouts",
    openapi_extra=wire.body_of(_BODY),
    responses=wire.answers(_RESULT),
)
async def delete_checkouts(request: Request, caller: Deleter, services: Parts) -> Response:
    """Delete up to 100 checkouts everywhere but at Wix."""
    ids = _ids(await wire.read_json(request))
    found = await _find(services, caller, ids)
    done = dict(
        zip(
            found,
            await services.deletions.delete(list(found.values()), by=caller.name),
            strict=True,
        )
    )
    results = []
    for index, given in enumerate(ids):
        is_done = done.get(given.lower())
        item: dict[str, Any] = {"id": given, "originalIndex": index, "success": is_done is True}
        if is_done is None:
            item["error"] = {"code": "NOT_FOUND", "description": "no such checkout"}
        elif not is_done:
            item["error"] = {"code": "UNAVAILABLE", "description": "ask for it again"}
        results.append({"itemMetadata": item})
    successes = sum(result["itemMetadata"]["success"] for result in results)
    answer = {
        "results": results,
        "bulkActionMetadata": {
            "totalSuccesses": successes,
            "totalFailures": len(results) - successes,
            "undetailedFailures": 0,
        },
    }
    return Response(orjson.dumps(answer), media_type="application/json")


def _ids(body: object) -> list[str]:
    field = "abandonedCheckoutIds"
    ids = body.get(field) if isinstance(body, dict) else None
    if not isinstance(ids, list) or not ids:
        raise refuse(field, "must be a list of ids", "REQUIRED_FIELD")
    if len(ids) > _MOST:
        raise refuse(field, f"has more than {_MOST} ids", "MAX_SIZE")
    wrong = [
        Violation(f"{field}[{index}]", "must be an id", "FORMAT")
        for index, item in enumerate(ids)
        if not isinstance(item, str) or not 0 < len(item) <= _LONGEST_ID
    ]
    if wrong:
        raise InvalidRequestError(wrong)
    return ids


async def _find(services: Services, caller: Caller, ids: list[str]) -> dict[str, Deletion]:
    """Those that the caller may see and that are not deleted yet, by id."""
    columns = CHECKOUTS.c
    query = select(columns.abandoned_checkout_id, columns.instance_id, columns.site_id).where(
        columns.abandoned_checkout_id.in_(sorted({name.lower() for name in ids})),
        columns.is_deleted.is_(False),
        caller.condition(CHECKOUTS),
    )
    async with services.engine.connect() as connection:
        rows = await connection.execute(query)
        return {row.abandoned_checkout_id: Deletion(*row) for row in rows}
