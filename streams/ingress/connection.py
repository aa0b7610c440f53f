"""One client's connection: parses what it says and sends its answers, in order.

Invariants: what a client makes us keep is bounded in bytes and in time; a request that has begun
is answered once, whatever its client does.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import httptools
import structlog

from streams.ingress.answers import Answer, refused
from streams.ingress.request import Request

if TYPE_CHECKING:
    from streams.ingress.http import HttpServer

log = structlog.get_logger(__name__)

LARGEST_BODY: Final = 1 << 20
_LARGEST_HEAD: Final = 65_536
#: Bytes of unfinished bodies of all clients together.
_MOST_BUFFERED: Final = 64 << 20
_MOST_CONNECTIONS: Final = 8_192
_HEAD_SECONDS: Final = 5.0
_BODY_SECONDS: Final = 0.9
#: Longer than load balancers keep theirs (60 s is usual), so that they and not we close it.
_IDLE_SECONDS: Final = 75.0
#: For a client to read an answer that came before it had sent all.
_LINGER_SECONDS: Final = 1.0
#: From accepting a connection to reading what it had sent by then.
_BEATS_TO_READ: Final = 2
_LENGTHS: Final = frozenset(map(len, (b"content-length", b"traceparent", b"expect")))
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class Connection(asyncio.Protocol):
    """One client. asyncio calls its first methods, httptools those that begin with ``on``."""

    __slots__ = (
        "_accepted",
        "_accepted_beat",
        "_has_ended",
        "_head_bytes",
        "_is_between",
        "_is_closing",
        "_is_in_head",
        "_is_reading",
        "_is_writable",
        "_parser",
        "_request",
        "_requests",
        "_server",
        "_transport",
        "deadline",
    )

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._accepted = server.pulse.earliest_arrival
        self._accepted_beat = server.pulse.count
        #: Without their answer as yet, in the order of their coming; one, as a rule.
        self._requests: deque[Request] = deque()
        #: The one that is being read, or the last.
        self._request = Request(self, 0.0)
        self._is_between = True
        self._head_bytes = 0
        self._is_in_head = True
        self._has_ended = False
        self._is_closing = False
        self._is_reading = self._is_writable = True
        #: When the client will have taken too long for what it does; ``time.monotonic()``'s.
        self.deadline = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._transport = transport
        self._server.connections.add(self)
        if len(self._server.connections) > _MOST_CONNECTIONS:
            self._reject(refused(503, "overloaded"))
            return
        self.deadline = time.monotonic() + _HEAD_SECONDS

    def connection_lost(self, _: Exception | None) -> None:
        """It has gone."""
        self._server.connections.discard(self)
        self._is_closing = True
        for request in self._requests:
            if request.answer is None and not request.is_whole:
                self._server.application.respond(request, refused(400, "body_incomplete"))
        self._requests.clear()

    def eof_received(self) -> bool:
        """It says no more, but may wait for answers."""
        self._has_ended = True
        return any(request.is_whole for request in self._requests) and not self._is_closing

    def pause_writing(self) -> None:
        """It does not read its answers."""
        self._is_writable = False
        self._pause()

    def resume_writing(self) -> None:
        """It reads again."""
        self._is_writable = True
        self._resume()

    def data_received(self, data: bytes) -> None:
        """Parse, and send what could be answered at once."""
        if self._is_closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            # its message might quote the request, so only the kind is told
            log.error("http_failed", error=type(error.__context__).__name__)  # noqa: TRY400  # see above
            self._reject(refused(500, "internal_error"))
            return
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._reject(refused(400, "bad_request"))
            return
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _LARGEST_HEAD:
                self._reject(refused(431, "head_too_large"))
                return
        self._send()
        if len(self._requests) > 1:
            self._pause()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._is_in_head, self._is_between, self._head_bytes = True, False, 0
        pulse = self._server.pulse
        # what came with the connection waited for it to be accepted as well
        is_first = pulse.count - self._accepted_beat <= _BEATS_TO_READ
        self._request = Request(self, self._accepted if is_first else pulse.earliest_arrival)
        self.deadline = self._request.started + _HEAD_SECONDS

    def on_url(self, url: bytes) -> None:
        """A part of its target."""
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        # of other lengths are most that come
        if len(name) not in _LENGTHS:
            return
        name = name.lower()
        if name == b"content-length":
            self._request.length = int(value)  # llhttp has found it to be a number
        elif name == b"traceparent":
            self._request.traceparent = value.decode("latin-1")
        elif name == b"expect" and value.lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_headers_complete(self) -> None:
        """Ask the application whether to read on."""
        request = self._request
        self._is_in_head = False
        if self._is_closing:  # what came behind the last request that is answered
            request.answer = refused(400, "bad_request")
            return
        self.deadline = request.started + _BODY_SECONDS
        request.method = self._parser.get_method()
        request.keeps_alive = self._parser.should_keep_alive()
        self._requests.append(request)
        answer = self._server.application.begin(request)
        if answer is None and request.length > LARGEST_BODY:
            answer = refused(413, "body_too_large")
        if answer is not None:
            self._server.application.respond(request, answer)

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        request = self._request
        if request.answer is not None:
            return
        request.size += len(body)
        request.chunks.append(body)
        self._server.buffered += len(body)
        if request.size > LARGEST_BODY:
            self._server.application.respond(request, refused(413, "body_too_large"))
        elif self._server.buffered > _MOST_BUFFERED:
            self._server.application.respond(request, refused(503, "overloaded"))

    def on_message_complete(self) -> None:
        """Hand it to the application."""
        request = self._request
        request.is_whole = self._is_between = True
        self.deadline = math.inf
        if request.answer is None:
            chunks = request.chunks
            request.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._forget_body(request)
            self._server.application.finish(request)

    def answered(self, request: Request) -> None:
        """A request has its answer; it is sent when it is its turn."""
        self._forget_body(request)
        # while its client sends it, data_received goes on
        if request.is_whole and not self._is_closing:
            self._send()

    def expire(self) -> None:
        """Its deadline is over."""
        request = self._request
        if not self._is_between and request in self._requests and request.answer is None:
            self.deadline = math.inf
            self._server.application.respond(request, refused(408, "body_too_slow"))
            self._send()
        else:
            self.cut()

    def cut(self) -> None:
        """End it now."""
        self._is_closing = True
        self._transport.abort()

    def _forget_body(self, request: Request) -> None:
        self._server.buffered -= request.size
        request.size = 0
        request.chunks = []

    def _pause(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._is_reading and self._is_writable and not self._requests:
            self._is_reading = True
            self._transport.resume_reading()

    def _send(self) -> None:
        """Send the answers whose turn it is."""
        requests = self._requests
        while requests and (answer := requests[0].answer) is not None:
            request = requests.popleft()
            keeps = request.keeps_alive and request.is_whole and not self._server.is_draining
            self._write(answer, keeps=keeps, is_head=request.method == b"HEAD")
            if not keeps or (self._has_ended and not requests):
                self._end(is_unread=not request.is_whole)
                return
        if not requests and self._is_between:
            self.deadline = self._server.pulse.last + _IDLE_SECONDS
            self._resume()

    def _reject(self, answer: Answer) -> None:
        """Answer what is no request, and end the connection."""
        for request in self._requests:
            if request.answer is None and not request.is_whole:
                self._server.application.respond(request, answer)
        if not self._is_closing:
            self._write(answer, keeps=False, is_head=False)
            self._end(is_unread=True)

    def _end(self, *, is_unread: bool) -> None:
        """Answer no more. A client that is still sending must be able to read what it was told."""
        self._is_closing = True
        self._requests.clear()
        if is_unread and not self._has_ended and self._transport.can_write_eof():
            self._transport.write_eof()
            self.deadline = time.monotonic() + _LINGER_SECONDS
            self._resume()
        else:
            self._transport.close()

    def _write(self, answer: Answer, *, keeps: bool, is_head: bool) -> None:
        self._transport.write(
            b"%b%b%bcontent-length: %d\r\n%b\r\n%b"
            % (
                _STATUS_LINES[answer.status],
                self._server.date,
                answer.headers,
                len(answer.body),
                b"" if keeps else b"connection: close\r\n",
                b"" if is_head else answer.body,
            )
        )
