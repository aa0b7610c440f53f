"""A client of the ingress without a socket: what the server writes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.ingress.connection import Connection

if TYPE_CHECKING:
    from streams.ingress.http import HttpServer


class Client:
    """A transport: what the server writes to it."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_closed = True

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None: ...

    resume_reading = pause_reading

    def answers(self) -> list[tuple[int, dict[str, str], bytes]]:
        found, rest = [], self.written
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            status, *lines = head.decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            length = int(headers["content-length"])
            found.append((int(status.split()[1]), headers, rest[:length]))
            rest = rest[length:]
        return found


def connect(server: HttpServer) -> tuple[Connection, Client]:
    """A new connection and its client."""
    client, connection = Client(), Connection(server)
    connection.connection_made(client)  # type: ignore[arg-type]  # it has what is called of it
    return connection, client


def post(body: bytes, path: bytes = b"/webhooks/wix") -> bytes:
    """A request with all that it needs."""
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body), body)
