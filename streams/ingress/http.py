"""HTTP/1.1 for the ingress, on the event loop alone: no thread, task, future or timer per request.

llhttp (httptools) parses; a connection collects a request and hands it to the application, which
answers at once or later.
"""

from __future__ import annotations

import asyncio
import socket
import time
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from streams.ingress.connection import Connection

if TYPE_CHECKING:
    import ssl

    from streams.ingress.pulse import Pulse
    from streams.ingress.request import Application

log = structlog.get_logger(__name__)

_BACKLOG: Final = 4_096
_RETRY_SECONDS: Final = 0.5
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
        self._listening: socket.socket | None = None
        self._opening: set[asyncio.Task[Any]] = set()
        self._tls: ssl.SSLContext | None = None

    def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Serve on the running loop until ``close``; the port, which the system chooses if it is 0.

        Raises:
            OSError: the address can't be listened on.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._listening.setblocking(False)
        self._tls = tls
        self._watch()
        self._sweep()
        found: int = self._listening.getsockname()[1]
        return found

    def close(self) -> None:
        """Listen no more, and cut what is left."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        for connection in list(self.connections):
            connection.cut()

    def _watch(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    def _accept(self, listening: socket.socket) -> None:
        """Take all who wait. uvloop's own server takes one a round, be the round ever so long."""
        loop = asyncio.get_running_loop()
        for _ in range(_BACKLOG):
            try:
                client, _address = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no more files: others' connections have to end first
                log.warning("ingress_cannot_accept", reason=error.strerror)
                loop.remove_reader(listening)
                loop.call_later(_RETRY_SECONDS, self._watch)
                return
            client.setblocking(False)
            connection = Connection(self)
            opening = loop.create_task(
                loop.connect_accepted_socket(partial(_given, connection), client, ssl=self._tls)
            )
            self._opening.add(opening)
            opening.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Task[Any]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and opening.exception() is not None:
            log.info("tls_failed", error=type(opening.exception()).__name__)

    def _sweep(self) -> None:
        if self._listening is None:
            return
        asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = time.monotonic()
        for connection in [one for one in self.connections if one.deadline <= now]:
            connection.expire()


def _given(connection: Connection) -> Connection:
    return connection
