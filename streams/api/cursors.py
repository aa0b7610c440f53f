"""Cursors: where a page begins and the whole question, sealed for one caller."""

from __future__ import annotations

import zlib

import orjson

from streams.api.query.paging import Position
from streams.api.query.questions import Question, read_question
from streams.api.query.violations import InvalidRequestError, refuse
from streams.api.seals import BrokenSealError, Seal


class Cursors:
    """Writes and reads cursors. ``kind``: of which list; one list's cursor is no other's."""

    def __init__(self, secret: bytes, *, kind: str) -> None:
        self._seal = Seal(secret, purpose=f"cursor {kind}")
        self._kind = kind

    def write(self, question: Question, position: Position, *, caller: str) -> str:
        """The cursor of a position."""
        content = orjson.dumps(
            [
                question.source,
                position.anchor,
                position.is_backward,
                position.is_inclusive,
            ]
        )
        return self._seal.close(zlib.compress(content), caller=caller)

    def read(self, cursor: str, *, caller: str) -> tuple[Question, Position]:
        """The question and the position of a cursor.

        Raises:
            InvalidRequestError: it is none of this caller's, or was changed.
        """
        at = f"{self._kind}.cursorPaging.cursor"
        try:
            content = zlib.decompress(self._seal.open(cursor, caller=caller))
        except BrokenSealError:
            raise refuse(at, "is no cursor that you were given", "FORMAT") from None
        source, anchor, is_backward, is_inclusive = orjson.loads(content)
        try:
            question = read_question(source, at=self._kind)
        except InvalidRequestError:  # an older release allowed more
            raise refuse(at, "is of a question that is no longer allowed", "FORMAT") from None
        if len(anchor) != len(question.sort):
            raise refuse(at, "is of an order that has changed", "FORMAT")
        return question, Position(tuple(anchor), is_backward, is_inclusive)
