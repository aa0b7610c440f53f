"""The least that answers the same: psycopg and the same HTTP server, no checks, one query known.

python -m tests.bench.bare_api CONNINFO PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

import orjson
import psycopg
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

_CONNECTIONS: Final = 16
_ONE: Final = "SELECT entity FROM checkouts WHERE abandoned_checkout_id = %s"
_PAGE: Final = """
    SELECT entity, created_at, abandoned_checkout_id FROM checkouts
    WHERE status_key = %s AND created_at >= %s AND created_at < %s
    ORDER BY created_at DESC, abandoned_checkout_id DESC LIMIT 51
"""


class Bare:
    """An ASGI application of two addresses."""

    def __init__(self, connections: asyncio.Queue[psycopg.AsyncConnection[Any]]) -> None:
        self._connections = connections

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Fetch, glue, send."""
        if scope["method"] == "GET":
            rows = await self._fetch(_ONE, (scope["path"].rpartition("/")[2],))
            body = b'{"abandonedCheckout":%s}' % rows[0][0].encode()
        else:
            asked = orjson.loads((await receive())["body"])["query"]["filter"]
            day = asked["createdDate"]
            rows = await self._fetch(
                _PAGE, ("=" + asked["status"].lower(), micros(day["$gte"]), micros(day["$lt"]))
            )
            found = b",".join(row[0].encode() for row in rows[:50])
            body = b'{"results":[%s],"abandonedCheckouts":[%s]}' % (found, found)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _fetch(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        connection = await self._connections.get()
        try:
            return await (await connection.execute(query, values)).fetchall()
        finally:
            self._connections.put_nowait(connection)


def micros(instant: str) -> int:
    """Microseconds since 1970 of an instant that ends with Z."""
    from datetime import datetime  # noqa: PLC0415  # only here

    return int(datetime.fromisoformat(instant).timestamp() * 1_000_000)


async def serve(conninfo: str, port: int) -> None:
    """Serve until killed."""
    connections: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        made = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        connections.put_nowait(made)
    server = Server(
        Bare(connections),
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    )
    await server.serve()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
