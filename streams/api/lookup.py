"""Looks checkouts up in the read model, as one caller may see them.

Invariant: every statement here is bound to the caller's sites and leaves deleted checkouts out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from sqlalchemy import ColumnElement, String, and_, bindparam, exists, false, func, or_, select

from streams.adapters.database.single_reads import read_single
from streams.adapters.database.tables import CHECKOUTS
from streams.api.callers import Scope, of_sites
from streams.api.query.paging import CursorPage, OffsetPage, neighbours
from streams.api.query.projection import project
from streams.api.query.sorting import reverse
from streams.api.selection import beyond, matching, ordered, sort_columns
from streams.domain.privacy import erase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from streams.api.callers import Caller
    from streams.api.query.paging import Neighbours, Position
    from streams.api.query.projection import Projection
    from streams.api.query.questions import Question

#: Beyond this, the number of all results is not counted: it would cost more than the answer.
MOST_COUNTED: Final = 10_000
_ONE: Final = select(CHECKOUTS.c.entity).where(
    CHECKOUTS.c.abandoned_checkout_id == bindparam("id"), CHECKOUTS.c.is_deleted.is_(False)
)


class Found(NamedTuple):
    """A page of entities as JSON. ``total``: of all results, None if there are too many."""

    entities: list[bytes]
    neighbours: Neighbours | None = None
    total: int | None = None


async def visible(connection: AsyncConnection, caller: Caller) -> ColumnElement[bool]:
    """The checkouts that there are for a caller.

    Its sites may be named by either of their ids. Which of them are there is looked up, for a
    condition on one column is a range of an index, and one on either of two is none.
    """
    if not caller.sites:
        return visible_by(caller, CHECKOUTS.c.instance_id, CHECKOUTS.c.site_id)
    known = (await connection.execute(names_in_use(caller))).one()
    return visible_by(
        caller, *(CHECKOUTS.c[name] for name in known._fields if getattr(known, name))
    )


def names_in_use(caller: Caller) -> Select[bool, bool]:
    """For each column that names a site, whether a checkout has one of the caller's there."""
    names = sorted(caller.sites or ())
    return select(
        exists().where(CHECKOUTS.c.instance_id.in_(names)).label("instance_id"),
        exists().where(CHECKOUTS.c.site_id.in_(names)).label("site_id"),
    )


def visible_by(caller: Caller, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """The checkouts that have one of the caller's sites in one of the columns."""
    is_there = CHECKOUTS.c.is_deleted.is_(False)
    if caller.sites is None:
        return is_there
    names = sorted(caller.sites)
    return and_(is_there, or_(false(), *(column.in_(names) for column in columns)))


async def find_checkout(engine: AsyncEngine, caller: Caller, checkout_id: str) -> bytes | None:
    """The entity as JSON; None if there is none for this caller."""
    if caller.sites is None:
        row = await read_single(engine, _ONE, {"id": checkout_id})
    else:
        names = {f"site_{number}": name for number, name in enumerate(sorted(caller.sites))}
        row = await read_single(engine, _one_of(len(names)), {"id": checkout_id, **names})
    return None if row is None else _shown(row[0], caller, None)


@lru_cache(maxsize=128)
def _one_of(count: int) -> Select[Any]:
    """One checkout, if it is of one of so many sites."""
    names = [bindparam(f"site_{number}", type_=String) for number in range(count)]
    return _ONE.where(of_sites(CHECKOUTS, names))


async def find_page(  # what a page depends on
    engine: AsyncEngine,
    caller: Caller,
    question: Question,
    page: OffsetPage | CursorPage,
    *,
    position: Position | None = None,
    projection: Projection | None = None,
) -> Found:
    """One page of what a question asks for.

    Raises:
        PersonalFieldError: the answer would depend on what the caller may not read.
    """
    if not caller.may(Scope.READ_PERSONAL):
        question.require_impersonal()
    async with engine.connect() as connection:
        condition = and_(await visible(connection, caller), matching(question.filter))
        if isinstance(page, OffsetPage):
            rows = await _rows(connection, question, condition, page.limit, page.offset)
            total = await _total(connection, condition)
            return Found([_shown(row[0], caller, projection) for row in rows], total=total)
        rows, around = await _around(connection, question, condition, page.limit, position)
        return Found([_shown(row[0], caller, projection) for row in rows], around)


def page_query(
    question: Question, condition: ColumnElement[bool], position: Position | None
) -> Select[Any]:
    """Entities from a position on, in the direction of reading, each with its anchor."""
    is_backward = position is not None and position.is_backward
    sort = reverse(question.sort) if is_backward else question.sort
    query = select(CHECKOUTS.c.entity, *sort_columns(sort)).where(condition)
    if position is not None:
        query = query.where(beyond(position, sort))
    return ordered(query, sort)


async def _rows(
    connection: AsyncConnection,
    question: Question,
    condition: ColumnElement[bool],
    limit: int,
    offset: int,
) -> Sequence[Any]:
    query = select(CHECKOUTS.c.entity).where(condition).limit(limit).offset(offset)
    rows: Sequence[Any] = (await connection.execute(ordered(query, question.sort))).all()
    return rows


async def _around(
    connection: AsyncConnection,
    question: Question,
    condition: ColumnElement[bool],
    limit: int,
    position: Position | None,
) -> tuple[Sequence[Any], Neighbours]:
    """A page beyond a position, and where its neighbours begin; one more is looked for."""
    is_backward = position is not None and position.is_backward
    query = page_query(question, condition, position).limit(limit + 1)
    found = (await connection.execute(query)).all()
    rows = found[:limit][::-1] if is_backward else found[:limit]
    anchors = [tuple(row[1:]) for row in rows]
    return rows, neighbours(anchors, position=position, has_more=len(found) > limit)


async def _total(connection: AsyncConnection, condition: ColumnElement[bool]) -> int | None:
    some = select(CHECKOUTS.c.abandoned_checkout_id).where(condition).limit(MOST_COUNTED + 1)
    count = await connection.scalar(select(func.count()).select_from(some.subquery()))
    return None if count is None or count > MOST_COUNTED else count


def _shown(entity: str, caller: Caller, projection: Projection | None) -> bytes:
    """The entity without what the caller may not read, and without what it did not ask for."""
    text = entity.encode()
    if not caller.may(Scope.READ_PERSONAL):
        text = erase(text)
    return text if projection is None else orjson.dumps(project(orjson.loads(text), projection))
