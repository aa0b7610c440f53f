"""Deletes checkouts from all our copies; Wix's own copy stays as it is."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.responses import Response

from streams.adapters.database.tables import CHECKOUTS
from streams.api.callers import Caller, Scope
from streams.api.deletions import Deletion
from streams.api.dependencies import Admitted, Parts
from streams.api.errors import ApiError
from streams.api.query.violations import InvalidRequestError, Violation, refuse
from streams.api.services import Services

router: Final = APIRouter(tags=["Wix: abandoned checkouts"])

_MOST: Final = 100
_LONGEST_ID: Final = 512


class Nothing(BaseModel):
    """An empty object."""


class ItemError(BaseModel):
    """Why one could not be deleted."""

    code: str = Field(description="NOT_FOUND or UNAVAILABLE.")
    description: str = Field(description="In words.")


class ItemMetadata(BaseModel):
    """What became of one id."""

    id: str = Field(description="As it was given.")
    originalIndex: int = Field(description="Its place in the request.")  # noqa: N815  # Wix's name
    success: bool = Field(description="It is deleted.")
    error: ItemError | None = Field(None, description="Why it is not.")


class ItemResult(BaseModel):
    """One of the results."""

    itemMetadata: ItemMetadata  # noqa: N815  # Wix's name


class BulkMetadata(BaseModel):
    """How many."""

    totalSuccesses: int = Field(description="Deleted.")  # noqa: N815  # Wix's name
    totalFailures: int = Field(description="Not deleted.")  # noqa: N815  # Wix's name
    undetailedFailures: int = Field(description="Always 0: all are told.")  # noqa: N815  # Wix's name


class BulkResult(BaseModel):
    """What became of each."""

    results: list[ItemResult]
    bulkActionMetadata: BulkMetadata  # noqa: N815  # Wix's name


@router.delete("/ecom/v1/abandoned-checkout/{checkout_id}", response_model=Nothing)
async def delete_checkout(
    checkout_id: Annotated[str, Path(description="Abandoned checkout id.", max_length=512)],
    caller: Admitted,
    services: Parts,
) -> Response:
    """Delete a checkout everywhere but at Wix. Answers when our own answers are without it."""
    _require_delete(caller)
    found = await _find(services, caller, [checkout_id])
    if checkout_id.lower() not in found:
        raise ApiError(404, "NOT_FOUND", "no such checkout")
    [is_done] = await services.deletions.delete(list(found.values()), by=caller.name)
    if not is_done:
        raise ApiError(
            503,
            "UNAVAILABLE",
            "the deletion is not known to be everywhere yet: ask for it again",
            headers={"retry-after": "5"},
        )
    return Response(b"{}", media_type="application/json")


@router.post("/ecom/v1/bulk/abandoned-checkout/delete", response_model=BulkResult)
async def delete_checkouts(
    body: Annotated[
        dict[str, Any],
        Body(examples=[{"abandonedCheckoutIds": ["0a1b2c3d-1111-4111-8111-111111111111"]}]),
    ],
    caller: Admitted,
    services: Parts,
) -> Response:
    """Delete up to 100 checkouts everywhere but at Wix."""
    _require_delete(caller)
    ids = _ids(body)
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


def _require_delete(caller: Caller) -> None:
    if not caller.may(Scope.DELETE):
        raise ApiError(403, "PERMISSION_DENIED", "the token needs the scope delete")


def _ids(body: dict[str, Any]) -> list[str]:
    field = "abandonedCheckoutIds"
    ids = body.get(field)
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
