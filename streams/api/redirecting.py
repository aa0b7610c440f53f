"""Sends a buyer back to the checkout: to the address that is stored for it, and to no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from streams.adapters.database.tables import CHECKOUTS
from streams.adapters.entity import read_entity
from streams.adapters.published import checkout_url
from streams.api.errors import ApiError
from streams.api.query.violations import InvalidRequestError
from streams.api.wire import read_guid

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_FOUND: Final = 302


async def redirect(engine: AsyncEngine, checkout_id: str, site: str) -> Response:
    """302 to the checkout.

    Raises:
        ApiError: 404, whatever is unknown: the checkout, its address, or the site that is named;
            410, it was deleted or its person's data removed.
    """
    row = await _look(engine, checkout_id)
    if row is None or (site and site.lower() not in {row.instance_id, row.site_id}):
        raise ApiError(404, "NOT_FOUND", "there is no such checkout")
    if row.is_deleted or row.is_anonymized:
        raise ApiError(410, "GONE", "this checkout is no longer kept")
    address = checkout_url(read_entity(row.entity.encode()))
    if address is None:
        raise ApiError(404, "NOT_FOUND", "there is no such checkout")
    return RedirectResponse(address, _FOUND)


async def _look(engine: AsyncEngine, checkout_id: str) -> Any:  # noqa: ANN401  # a row, or None
    try:
        known = read_guid(checkout_id, at="abandonedCheckoutId")
    except InvalidRequestError:
        return None
    columns = CHECKOUTS.c
    query = select(
        columns.entity,
        columns.instance_id,
        columns.site_id,
        columns.is_deleted,
        columns.is_anonymized,
    ).where(columns.abandoned_checkout_id == known)
    async with engine.connect() as connection:
        return (await connection.execute(query)).one_or_none()
