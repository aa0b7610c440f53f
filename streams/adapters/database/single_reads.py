"""Reads a row by a statement that is made once, past what SQLAlchemy does for each execution.

For a row by its key SQLAlchemy takes longer than the database and its driver together. So it makes
the statement once, and the driver runs it, on a connection of the engine's pool with all that the
engine has set for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Dialect, Select
    from sqlalchemy.ext.asyncio import AsyncEngine


class _Compiled(NamedTuple):
    """A statement as the driver takes it. ``order`` of its parameters; None: they have names."""

    text: str
    order: Sequence[str] | None


async def read_single(
    engine: AsyncEngine, statement: Select[Any], values: Mapping[str, str]
) -> Any:  # noqa: ANN401  # a row of the driver's
    """The first row, None if there is none.

    ``statement`` must be one object for all calls, and take nothing but ``values``.

    Raises:
        SQLAlchemyError: as if the engine had run the statement.
    """
    compiled = _compile(statement, engine.dialect)
    kind = engine.dialect.loaded_dbapi.Error
    try:
        connection = await engine.raw_connection()
        driver: Any = connection.driver_connection
        try:
            rows = await _fetch(driver, compiled, values)
        except BaseException:  # nobody knows what it would answer next
            connection.detach()
            await driver.close()
            raise
    except kind as error:
        raise DBAPIError.instance(None, None, error, kind) from error
    connection.close()
    return rows[0] if rows else None


async def _fetch(driver: Any, compiled: _Compiled, values: Mapping[str, str]) -> Any:  # noqa: ANN401  # either driver's
    if compiled.order is None:
        return await (await driver.execute(compiled.text, values)).fetchall()
    return await driver.execute_fetchall(compiled.text, [values[name] for name in compiled.order])


@lru_cache(maxsize=256)
def _compile(statement: Select[Any], dialect: Dialect) -> _Compiled:
    made = statement.compile(dialect=dialect)
    return _Compiled(str(made), made.positiontup)
