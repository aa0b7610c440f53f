"""A record that could not be processed, as it goes to the dead-letter topic.

Invariant: the bytes, key and headers are the original ones; what we add is no personal data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.adapters.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_PREFIX = "dead_letter_"


def dead_letter_headers(
    original: Iterable[tuple[str, bytes | None]],
    *,
    reason: str,
    stage: str,
    at: datetime,
    position: tuple[str, int, int] | None = None,
) -> list[tuple[str, bytes | None]]:
    """The original headers, and why, where and when; ``position`` is topic, partition, offset.

    A record that is dead-lettered again keeps only the newest reason.
    """
    headers = without_reason(original)
    added = {"reason": reason, "stage": stage, "time": format_instant(at)}
    if position is not None:
        topic, partition, offset = position
        added.update(topic=topic, partition=str(partition), offset=str(offset))
    headers.extend((_PREFIX + name, value.encode()) for name, value in added.items())
    return headers


def without_reason(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """The headers that the record had before it was dead-lettered."""
    return [(name, value) for name, value in headers if not name.startswith(_PREFIX)]
