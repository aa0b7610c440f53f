"""The page itself, and the session of who looks at it."""

from datetime import timedelta
from typing import Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from streams.adapters.conversion import format_duration
from streams.api import wire
from streams.api.access.guard import SESSION_COOKIE
from streams.api.access.origin import is_of_our_page
from streams.api.access.short_lived import SESSION_SECONDS
from streams.api.dependencies import Parts
from streams.api.errors import ApiError
from streams.api.page.files import INDEX, File
from streams.api.query.violations import refuse

router: Final = APIRouter(include_in_schema=False)

_LONGEST_TOKEN: Final = 512
_NOT_OURS: Final = "only the page itself may ask for this"


@router.get("/")
@router.head("/")
async def page(request: Request, services: Parts) -> Response:
    """The page."""
    return _answer(request, services.page.get(INDEX))


@router.get("/assets/{path:path}")
@router.head("/assets/{path:path}")
async def asset(path: str, request: Request, services: Parts) -> Response:
    """One of its files."""
    return _answer(request, services.page.get(path))


@router.get("/session")
async def session(request: Request, services: Parts) -> Response:
    """Who is signed in, and what there is to look at; null: nobody is."""
    if SESSION_COOKIE not in request.cookies and "authorization" not in request.headers:
        return wire.json_response(b"null")
    grant = services.guard.grant_of(request, takes_sessions=True)
    caller = await services.guard.caller_of(request, grant)
    windows = services.settings.windows
    answer = {
        "name": caller.name,
        "scopes": sorted(scope.value for scope in caller.scopes),
        "sites": None if caller.sites is None else sorted(caller.sites),
        "windows": [format_duration(window) for window in windows],
        "headline_window": format_duration(max(windows, default=timedelta(days=30))),
        "horizon": format_duration(services.settings.horizon),
    }
    return wire.json_response(orjson.dumps(answer))


@router.post("/session")
async def sign_in(request: Request, services: Parts) -> Response:
    """A cookie for a token."""
    _require_our_page(request)
    body = await wire.read_json(request)
    presented = body.get("token") if isinstance(body, dict) else None
    if not isinstance(presented, str) or len(presented) > _LONGEST_TOKEN:
        raise refuse("token", "must be a token", "REQUIRED_FIELD")
    answer = Response(status_code=204)
    _set(answer, request, services.guard.sign_in(request, presented.strip()), SESSION_SECONDS)
    return answer


@router.delete("/session")
async def sign_out(request: Request) -> Response:
    """Take the cookie away."""
    _require_our_page(request)
    answer = Response(status_code=204)
    _set(answer, request, "", 0)
    return answer


def _require_our_page(request: Request) -> None:
    """Nobody else's page may sign a person in or out."""
    browser_says = "sec-fetch-site" in request.headers or "origin" in request.headers
    if browser_says and not is_of_our_page(request):
        raise ApiError(403, "PERMISSION_DENIED", _NOT_OURS)


def _set(answer: Response, request: Request, value: str, seconds: int) -> None:
    proto = request.headers.get("x-forwarded-proto", request.url.scheme)
    answer.set_cookie(
        SESSION_COOKIE,
        value,
        max_age=seconds,
        path="/",
        secure=proto.split(",")[0].strip().lower() == "https",
        httponly=True,
        samesite="strict",
    )


def _answer(request: Request, file: File | None) -> Response:
    if file is None:
        raise ApiError(404, "NOT_FOUND", "There is nothing at this address.")
    known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    if file.etag in known or f"W/{file.etag}" in known:
        return Response(status_code=304, headers=file.headers)
    body = b"" if request.method == "HEAD" else file.body
    length = {"content-length": str(len(file.body))}
    return Response(body, headers={**file.headers, **length})
