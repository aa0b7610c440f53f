"""HTTP/1.1 for the ingress, on the event loop alone: no thread, task, future or timer per request.

llhttp (httptools) parses; a connection collects a request and hands it to the application, which
answers at once or later.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from streams.ingress.connection import Connection

if TYPE_CHECKING:
    import ssl

    from streams.ingress.pulse import Pulse
    from streams.ingress.request import Application

_BACKLOG: Final = 4_096
_SWEEP_SECONDS: Final = 0.1


class HttpServer:
    """Listens, and cuts off who takes too long."""

    def __init__(self, application: Application, pulse: Pulse) -> None:
        self.application = application
        self.pulse = pulse
        self.connections: set[Connection] = set()
        #: Bytes of unfinished bodies.
        self.buffered = 0
        #: Answers tell clients to close their connections.
        self.is_draining = False
        self.date = b""
        self._listening: asyncio.Server | None = None

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Serve until ``close``; the port, which the system chooses if it is 0.

        Raises:
            OSError: the address can't be listened on.
        """
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(
            lambda: Connection(self), host, port, backlog=_BACKLOG, ssl=tls
        )
        self._sweep()
        found: int = self._listening.sockets[0].getsockname()[1]
        return found

    def close(self) -> None:
        """Listen no more, and cut what is left."""
        if self._listening is not None:
            self._listening.close()
        for connection in list(self.connections):
            connection.cut()

    def _sweep(self) -> None:
        asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = time.monotonic()
        for connection in [one for one in self.connections if one.deadline <= now]:
            connection.expire()
