"""What the endpoints work with; made once for a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from streams.api.access.guard import Guard
    from streams.api.cursors import Cursors
    from streams.api.deletions import Deletions
    from streams.api.freshness import Freshness
    from streams.api.metrics import ApiMetrics
    from streams.config import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one process."""

    settings: Settings
    engine: AsyncEngine
    freshness: Freshness
    metrics: ApiMetrics
    guard: Guard
    queries: Cursors
    searches: Cursors
    deletions: Deletions
