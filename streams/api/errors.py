"""Errors in the shape that Wix's clients read, for every endpoint.

``{"message", "details": {"applicationError": {code, description, data}}}``, or with
``validationError`` and its field violations.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from streams.api.query.violations import InvalidRequestError, PersonalFieldError, Violation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request

log = structlog.get_logger(__name__)

_CODES: Final = {
    404: ("NOT_FOUND", "There is nothing at this address."),
    405: ("METHOD_NOT_ALLOWED", "This address does not take this method."),
    413: ("PAYLOAD_TOO_LARGE", "The body is too large."),
}


class ApiError(Exception):
    """An answer that is no success. ``code`` is for programs, ``message`` for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.data = dict(data or {})
        self.headers = dict(headers or {})


def error_response(error: ApiError) -> Response:
    """The answer of an error."""
    details = {
        "applicationError": {
            "code": error.code,
            "description": error.message,
            "data": error.data,
        }
    }
    return _response(error.status, error.message, details, error.headers)


def violations_response(violations: Sequence[Violation]) -> Response:
    """400, and which fields are wrong."""
    found = [
        {"field": one.field, "description": one.description, "violatedRule": one.rule}
        for one in violations
    ]
    message = "; ".join(f"{one.field} {one.description}" for one in violations)
    return _response(400, message, {"validationError": {"fieldViolations": found}}, {})


def database_away(error: SQLAlchemyError) -> Response:
    """503: the database failed us. Its message may quote values, so only its kind is told."""
    log.warning("database_failed", error=type(error).__name__)
    return error_response(
        ApiError(503, "UNAVAILABLE", "the database does not answer", headers={"retry-after": "1"})
    )


def answer_to(error: Exception) -> Response:
    """The answer to a request that ended so, in Wix's shape whatever it was."""
    match error:
        case ApiError():
            return error_response(error)
        case InvalidRequestError():
            return violations_response(error.violations)
        case RequestValidationError():
            return violations_response(
                [
                    Violation(".".join(map(str, one["loc"][1:])) or "body", one["msg"], "FORMAT")
                    for one in error.errors()
                ]
            )
        case PersonalFieldError():
            return error_response(
                ApiError(
                    403,
                    "PERMISSION_DENIED",
                    f"personal data ({', '.join(error.fields)}): the token needs the scope "
                    "read:personal to ask for it",
                    data={"fields": list(error.fields)},
                )
            )
        case HTTPException():
            code, message = _CODES.get(error.status_code, ("INVALID_REQUEST", str(error.detail)))
            headers = error.headers or {}
            return error_response(ApiError(error.status_code, code, message, headers=headers))
        case SQLAlchemyError():
            return database_away(error)
        case _:
            # its message might quote what was asked for, so only where it came from is told
            where = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{where.name}:{where.lineno}"
            log.error("request_failed", error=type(error).__name__, at=at)
            return error_response(
                ApiError(500, "INTERNAL", "something went wrong here; it is in our log")
            )


#: What ends a request as it should; a handler of all exceptions would see it raised once more.
_EXPECTED: Final = (
    ApiError,
    InvalidRequestError,
    RequestValidationError,
    PersonalFieldError,
    HTTPException,
    SQLAlchemyError,
)


def add_error_handlers(app: FastAPI) -> None:
    """Let every error of the application have Wix's shape."""

    async def on_error(_request: Request, error: Exception) -> Response:
        return answer_to(error)  # not because it waits: what does not is run in another thread

    for kind in (*_EXPECTED, Exception):
        app.add_exception_handler(kind, on_error)


def _response(
    status: int, message: str, details: Mapping[str, object], headers: Mapping[str, str]
) -> Response:
    body = orjson.dumps({"message": message, "details": details})
    return Response(body, status, {**headers}, media_type="application/json")
