"""Assembles the HTTP application of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import HTMLResponse, JSONResponse

from streams.api.direct import Direct
from streams.api.docs import docs_page
from streams.api.edge import Edge
from streams.api.errors import add_error_handlers
from streams.api.routes import deletion, live, operations, overview, page, rates, timeline, wix

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from streams.api.services import Services

_DESCRIPTION: Final = (
    "Abandoned checkouts as Wix's own API answers for them, from our own copy, and conversion "
    "rates whose every number can be recomputed."
)


def create_app(services: Services, why_not_ready: Callable[[], str]) -> Edge:
    """The application; ``why_not_ready`` says an empty string while it can do its work."""
    app = FastAPI(
        title="Checkout Recovery",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        # ours are in /metrics; to find out for each request that nobody listens costs a tenth of it
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    add_error_handlers(app)

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        reason = why_not_ready()
        state = {"status": "not ready", "reason": reason} if reason else {"status": "ready"}
        try:
            age = await services.freshness.age_seconds()
        except SQLAlchemyError:
            age = None
        behind = None if age is None else round(age, 3)
        return JSONResponse({**state, "model_age_seconds": behind}, 503 if reason else 200)

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    app.state.services = services
    for routes in (wix, deletion, rates, overview, timeline, live, operations, page):
        app.include_router(routes.router)
    _tell_the_truth_of_errors(app.openapi())
    return Edge(Direct(app, services), services)


def _tell_the_truth_of_errors(document: dict[str, Any]) -> None:
    """FastAPI writes 422 of its own; ours is 400, in Wix's shape."""
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(name, None)
