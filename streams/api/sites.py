"""Finds a site by either of its names, among those that the caller may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from streams.adapters.database.tables import SITES
from streams.api.errors import ApiError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from streams.api.callers import Caller


async def find_site(engine: AsyncEngine, caller: Caller, site: str) -> dict[str, Any]:
    """The newest record of a site, a row of ``sites``.

    Raises:
        ApiError: 404; the same answer for a site that is unknown and one that is not the caller's.
    """
    name = site.lower()
    query = (
        select(SITES)
        .where(
            or_(SITES.c.instance_id == name, SITES.c.site_id == name),
            caller.condition(SITES),
        )
        .order_by(SITES.c.as_of.desc(), SITES.c.instance_id)
        .limit(1)
    )
    async with engine.connect() as connection:
        found = (await connection.execute(query)).mappings().first()
    if found is None:
        raise ApiError(404, "NOT_FOUND", "no rates of such a site")
    return dict(found)
