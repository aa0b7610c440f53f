"""Topics of bytes. A send belongs to the event in progress; outside one it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust

from streams.runtime.context import event_in_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def put(  # the parts of a record
    topic: str,
    key: bytes | None,
    value: bytes | None,
    *,
    partition: int | None = None,
    timestamp: float | None = None,
    headers: Any = None,  # noqa: ANN401  # a mapping or pairs
) -> None:
    """Add a record to the event in progress; while state is rebuilt, drop it.

    Raises:
        OutsideEventError: there is no event in progress.
    """
    scope = event_in_progress("a send")
    if scope.is_muted:
        return
    pairs = list(headers.items() if hasattr(headers, "items") else headers) if headers else None
    scope.records.append(
        (
            topic,
            value,
            key,
            -1 if partition is None else partition,
            None,
            None,
            int(timestamp * 1000) if timestamp else 0,
            pairs,
        )
    )


class _Sent:
    """What ``await topic.send()`` gives: the record will be visible with its event's commit."""

    def __await__(self) -> Generator[None, None, _Sent]:
        yield from ()
        return self

    def add_done_callback(self, callback: Callable[[_Sent], None]) -> None:
        """Call at once: there is nothing to wait for."""
        callback(self)


_SENT = _Sent()


class RuntimeTopic(faust.Topic):  # type: ignore[misc]  # Faust is untyped here
    """A topic of bytes.

    ``await topic.send(...)`` adds a record to the event in progress and returns at once. It is
    durable and visible, or aborted, together with everything else that the event did.
    """

    async def send(  # Faust's signature
        self,
        *,
        key: bytes | None = None,
        value: bytes | None = None,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: Any = None,  # noqa: ANN401  # a mapping or pairs
        **_unsupported: object,
    ) -> Any:  # noqa: ANN401  # Faust's signature
        """Add a record to the event in progress.

        Raises:
            OutsideEventError: there is no event in progress.
            TypeError: key or value are not bytes.
        """
        for part in (key, value):
            if part is not None and type(part) is not bytes:
                raise TypeError("the runtime's topics carry bytes; encode key and value before")
        put(
            self.topics[0],
            key,
            value,
            partition=partition,
            timestamp=timestamp,
            headers=headers,
        )
        return _SENT
