"""What the endpoints work with; made once for a process."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from streams.adapters.topics import SOURCE
from streams.api.access.guard import Guard
from streams.api.cursors import Cursors
from streams.api.deletions import Deletions
from streams.api.freshness import Freshness
from streams.api.live.hub import Hub
from streams.api.operations.desk import Desk
from streams.api.overview.board import Board
from streams.api.page import read_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncEngine

    from streams.api.metrics import ApiMetrics
    from streams.api.page import File
    from streams.config import Settings

log = structlog.get_logger(__name__)


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
    page: Mapping[str, File]
    board: Board
    desk: Desk
    hub: Hub


def make_services(settings: Settings, engine: AsyncEngine, metrics: ApiMetrics) -> Services:
    """All parts, none of them started.

    Raises:
        ConfigurationError: a list of tokens can't be used.
    """
    secret = _secret(settings)
    freshness = Freshness(engine, source=settings.topic(SOURCE))
    board, desk = Board(engine), Desk(settings, engine, freshness)
    return Services(
        settings,
        engine,
        freshness,
        metrics,
        guard=Guard(settings, engine, secret=secret),
        queries=Cursors(secret, kind="query"),
        searches=Cursors(secret, kind="search"),
        deletions=Deletions(settings, freshness),
        page=read_files(),
        board=board,
        desk=desk,
        hub=Hub(engine, board, desk, metrics),
    )


def _secret(settings: Settings) -> bytes:
    if settings.api_secret is not None:
        return settings.api_secret.get_secret_value().encode()
    log.warning("no_api_secret", consequence="cursors, tokens and sessions end with this process")
    return secrets.token_bytes(32)
