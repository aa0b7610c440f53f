"""Wix's own endpoints, so that a client of Wix's needs another address and nothing else."""

from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from streams.api import wire
from streams.api.access.short_lived import LIFETIME_SECONDS
from streams.api.analytics import METRICS, analyse, read_analytics
from streams.api.callers import Caller
from streams.api.cursors import Cursors
from streams.api.dependencies import Parts, Reader
from streams.api.errors import ApiError
from streams.api.lookup import Found, find_checkout, find_page
from streams.api.query.fields import STATUSES
from streams.api.query.paging import CursorPage, Neighbours, OffsetPage, Position
from streams.api.query.questions import Question, read_query, read_search
from streams.api.query.questions import Request as Asked
from streams.api.query.violations import refuse
from streams.api.redirecting import redirect
from streams.api.services import Services
from streams.api.wire import answers, body_of, json_response, list_of, object_of

_PATH: Final = "/ecom/v1/abandoned-checkout"
_DATE: Final = {"type": "string", "format": "date"}
_CREDENTIAL: Final = {"type": "string", "minLength": 1, "maxLength": 512}

CheckoutId = Annotated[str, Path(description="Abandoned checkout GUID.")]

router: Final = APIRouter(tags=["Wix"])


@router.get(
    _PATH + "/{abandoned_checkout_id}",
    summary="Get Abandoned Checkout",
    responses=answers(
        object_of({"abandonedCheckout": wire.ENTITY}, required=("abandonedCheckout",)), 404
    ),
)
async def get(abandoned_checkout_id: CheckoutId, caller: Reader, services: Parts) -> Response:
    """One abandoned checkout, as the caller may see it."""
    checkout_id = wire.read_guid(abandoned_checkout_id, at="abandonedCheckoutId")
    entity = await find_checkout(services.engine, caller, checkout_id)
    if entity is None:
        raise ApiError(404, "NOT_FOUND", f"abandoned checkout {checkout_id} was not found")
    return json_response(b'{"abandonedCheckout":%s}' % entity)


@router.post(
    _PATH + "/query",
    summary="Query Abandoned Checkouts",
    openapi_extra=body_of(wire.QUERY_BODY),
    responses=answers(
        object_of(
            {
                "results": list_of(wire.ENTITY),
                "abandonedCheckouts": list_of(wire.ENTITY),
                "metadata": wire.METADATA,
            },
            required=("results", "abandonedCheckouts", "metadata"),
        )
    ),
)
async def query(request: Request, caller: Reader, services: Parts) -> Response:
    """A page of the abandoned checkouts that a filter asks for, in an order."""
    asked = read_query(await wire.read_json(request))
    found, metadata = await _page(services, caller, asked, services.queries)
    entities = b",".join(found.entities)
    return json_response(
        b'{"results":[%s],"abandonedCheckouts":[%s],"metadata":%s}'
        % (entities, entities, orjson.dumps(metadata))
    )


@router.post(
    _PATH + "/search",
    summary="Search Abandoned Checkouts",
    openapi_extra=body_of(wire.SEARCH_BODY),
    responses=answers(
        object_of(
            {
                "abandonedCheckouts": list_of(wire.ENTITY),
                "pagingMetadata": wire.METADATA,
            },
            required=("abandonedCheckouts", "pagingMetadata"),
        )
    ),
)
async def search(request: Request, caller: Reader, services: Parts) -> Response:
    """A page of the abandoned checkouts with words in name or e-mail."""
    asked = read_search(await wire.read_json(request))
    found, metadata = await _page(services, caller, asked, services.searches)
    return json_response(
        b'{"abandonedCheckouts":[%s],"pagingMetadata":%s}'
        % (b",".join(found.entities), orjson.dumps(metadata))
    )


@router.post(
    _PATH + "/get-analytics",
    summary="Get Abandoned Checkout Analytics",
    openapi_extra=body_of(
        object_of(
            {
                "startDate": _DATE,
                "endDate": _DATE,
                "metrics": list_of({"type": "string", "enum": list(METRICS)}, maxItems=6),
                "statuses": list_of({"type": "string", "enum": list(STATUSES)}, maxItems=2),
            },
            required=("startDate", "endDate"),
        )
    ),
    responses=answers(
        object_of(
            {
                "currency": wire.TEXT,
                "recoverableValue": wire.TEXT,
                "recoverableCheckoutCount": wire.NUMBER,
                "averageRecoverableCheckoutValue": wire.nullable(wire.TEXT),
                "recoveredValue": wire.TEXT,
                "recoveredCheckoutCount": wire.NUMBER,
                "recoveryRate": wire.nullable({"type": "number", "minimum": 0, "maximum": 1}),
            },
            required=("currency",),
        )
    ),
)
async def get_analytics(request: Request, caller: Reader, services: Parts) -> Response:
    """What was recoverable and what was recovered, of the checkouts of some days.

    Counted are the checkouts that were created on those days and are not deleted: recovered
    those whose recovery is known, recoverable all others. Values are totals in the shop's newest
    currency; what has another one, or no amount, counts in the numbers and in no value.
    """
    asked = read_analytics(await wire.read_json(request))
    zone = ZoneInfo(services.settings.api_time_zone)
    return json_response(orjson.dumps(await analyse(services.engine, caller, asked, zone)))


@router.get(
    _PATH + "/{abandoned_checkout_id}/redirect-to-checkout",
    summary="Redirect To Checkout",
    status_code=302,
    response_class=Response,
    responses={
        302: {"description": "To the checkout."},
        **{
            status: {
                "description": "An error.",
                "content": {"application/json": {"schema": wire.ERROR}},
            }
            for status in (404, 410, 429, 503)
        },
    },
)
async def redirect_to_checkout(
    request: Request,
    services: Parts,
    abandoned_checkout_id: CheckoutId,
    metasiteId: Annotated[str, Query(description="The site; 404 if another.")] = "",  # noqa: N803  # Wix's name
) -> Response:
    """The way back for a buyer; needs no token."""
    services.guard.limit_address(request)
    return await redirect(services.engine, abandoned_checkout_id, metasiteId)


@router.post(
    "/oauth2/token",
    summary="Client credentials for a short-lived token",
    openapi_extra=body_of(
        object_of(
            {
                "grant_type": {"type": "string", "enum": ["client_credentials"]},
                "client_id": _CREDENTIAL,
                "client_secret": _CREDENTIAL,
                "instance_id": {"type": "string", "maxLength": 64},
            },
            required=("grant_type", "client_id", "client_secret"),
        )
    ),
    responses=answers(
        object_of(
            {"access_token": wire.TEXT, "token_type": wire.TEXT, "expires_in": wire.NUMBER},
            required=("access_token", "expires_in"),
        )
    ),
)
async def token(request: Request, services: Parts) -> Response:
    """A token of an hour for a lasting one, for the site `instance_id` if it is named."""
    services.guard.limit_address(request)
    secret, site = _credentials(await wire.read_json(request))
    made = await services.guard.access_token(secret, site)
    return json_response(
        orjson.dumps({"access_token": made, "token_type": "Bearer", "expires_in": LIFETIME_SECONDS})
    )


async def _page(
    services: Services, caller: Caller, asked: Asked, cursors: Cursors
) -> tuple[Found, dict[str, Any]]:
    question, position = asked.question, None
    if isinstance(asked.page, CursorPage) and asked.page.cursor:
        question, position = _continued(asked, asked.page.cursor, cursors, caller)
    found = await find_page(
        services.engine,
        caller,
        question,
        asked.page,
        position=position,
        projection=asked.projection,
    )
    return found, _metadata(found, asked, question, cursors, caller)


def _continued(
    asked: Asked, cursor: str, cursors: Cursors, caller: Caller
) -> tuple[Question, Position]:
    """The question that a cursor carries; one that is given beside it must be the same."""
    question, position = cursors.read(cursor, caller=caller.name)
    given = asked.question
    if asked.is_question_given and (given.filter, given.sort) != (question.filter, question.sort):
        raise refuse(
            "cursorPaging.cursor",
            "is of another question: a request with a cursor carries no filter and no sort",
            "ONE_OF_ALIGNMENT",
        )
    return question, position


def _metadata(
    found: Found, asked: Asked, question: Question, cursors: Cursors, caller: Caller
) -> dict[str, Any]:
    count = len(found.entities)
    if isinstance(asked.page, OffsetPage):
        known = {} if found.total is None else {"total": found.total}
        return {
            "count": count,
            "offset": asked.page.offset,
            "tooManyToCount": found.total is None,
            **known,
        }
    around = found.neighbours or Neighbours(None, None)
    cursor_of = {"next": around.following, "prev": around.previous}
    return {
        "count": count,
        "cursors": {
            name: cursors.write(question, position, caller=caller.name)
            for name, position in cursor_of.items()
            if position is not None
        },
    }


def _credentials(body: object) -> tuple[str, str | None]:
    """The secret, which is a token of ours, and the site; the client's id may stay Wix's."""
    if not isinstance(body, dict):
        raise refuse("body", "must be a JSON object", "FORMAT")
    if body.get("grant_type") != "client_credentials":
        raise refuse("grant_type", "must be client_credentials", "FORMAT")
    for name in ("client_id", "client_secret"):
        if not isinstance(body.get(name), str):
            raise refuse(name, "must be a string", "REQUIRED_FIELD")
    site = body.get("instance_id")
    if site is not None and not isinstance(site, str):
        raise refuse("instance_id", "must be a string", "FORMAT")
    return body["client_secret"], site
