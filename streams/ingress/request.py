"""A request between the connection that reads it and the application that answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from streams.ingress.answers import Answer
    from streams.ingress.connection import Connection


class Request:
    """One request. ``started`` is the earliest ``time.monotonic()`` at which it can have come."""

    __slots__ = (
        "_connection",
        "answer",
        "body",
        "chunks",
        "is_whole",
        "keeps_alive",
        "length",
        "mark",
        "method",
        "size",
        "started",
        "target",
        "traceparent",
    )

    def __init__(self, connection: Connection, started: float) -> None:
        self._connection = connection
        self.started = started
        self.method = b""
        self.target = b""
        #: Of the body as declared; 0 where it is not.
        self.length = 0
        self.traceparent: str | None = None
        #: The application's, between ``begin`` and ``finish``.
        self.mark = ""
        self.chunks: list[bytes] = []
        self.size = 0
        self.body = b""
        self.is_whole = False
        self.keeps_alive = False
        self.answer: Answer | None = None

    def respond(self, answer: Answer) -> None:
        """Answer it, once, on the event loop; of no effect if the client has gone."""
        self.answer = answer
        self._connection.answered(self)


class Application(Protocol):
    """What answers. Every request that has begun is answered once."""

    def begin(self, request: Request) -> Answer | None:
        """Its head is here; an answer, which goes to ``respond``, spares us its body."""

    def finish(self, request: Request) -> None:
        """It is whole, and the application's from now on."""

    def respond(self, request: Request, answer: Answer) -> None:
        """Answer a request that began, through ``Request.respond``."""
