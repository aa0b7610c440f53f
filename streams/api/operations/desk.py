"""Puts together what operators look at, at most every two seconds and once for all.

Kafka is asked in a thread of its own, for it may block; where it fails, the rest is told and
``problem`` says what is missing.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
import structlog
from confluent_kafka import KafkaException

from streams.adapters.cluster import why
from streams.adapters.errors import ClusterError
from streams.adapters.instants import format_instant
from streams.api.errors import ApiError
from streams.api.operations.cluster import Group, WorkersView
from streams.api.operations.dead_letters import Counted, DeadLetterCount
from streams.api.operations.flow import flow
from streams.api.operations.rebalances import Rebalances
from streams.api.overview.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from streams.api.freshness import Freshness
    from streams.api.operations.cluster import Place
    from streams.config import Settings

log = structlog.get_logger(__name__)

_KEPT_SECONDS: Final = 1.9
#: Nobody looks any more: connections are ended.
_IDLE_SECONDS: Final = 60.0
_UNKNOWN: Final = Group("unknown", ())

_Found = TypeVar("_Found")


class Desk:
    """What is known of the whole installation."""

    def __init__(self, settings: Settings, engine: AsyncEngine, freshness: Freshness) -> None:
        self._engine = engine
        self._freshness = freshness
        self._kept = Kept()
        self._workers = WorkersView(settings)
        self._dead_letters = DeadLetterCount(settings)
        self._rebalances = Rebalances()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="operations")
        self._idle: asyncio.TimerHandle | None = None
        self._is_over = False

    async def body(self) -> bytes:
        """The answer.

        Raises:
            ApiError: 503, the process ends.
            SQLAlchemyError: the database is away.
        """
        if self._is_over:
            raise ApiError(503, "UNAVAILABLE", "this process ends", headers={"retry-after": "1"})
        loop = asyncio.get_running_loop()
        if self._idle is not None:
            self._idle.cancel()
        self._idle = loop.call_later(_IDLE_SECONDS, self._thread.submit, self._disconnect)
        return await self._kept.get("operations", self._compute, seconds=_KEPT_SECONDS)

    def close(self) -> None:
        """Ask no more; what is being asked now ends within seconds, and the process with it."""
        self._is_over = True
        if self._idle is not None:
            self._idle.cancel()
        self._thread.submit(self._disconnect)
        self._thread.shutdown(wait=False)

    async def _compute(self) -> bytes:
        asking = asyncio.get_running_loop().run_in_executor(self._thread, self._ask)
        numbers = await flow(self._engine, now=datetime.now(UTC))
        age = await self._freshness.age_seconds()
        return orjson.dumps(
            {
                "as_of": format_instant(datetime.now(UTC)),
                **numbers,
                **await asking,
                "model_age_seconds": None if age is None else round(age, 3),
            }
        )

    def _ask(self) -> dict[str, Any]:
        problems: list[str] = []
        group = _tried(self._workers.group, _UNKNOWN, problems)
        if group is not _UNKNOWN:
            self._rebalances.look(group, now=datetime.now(UTC))
        lags: dict[Place, int] = {}
        letters: tuple[list[Counted], bool] = ([], False)
        if self._may_go_on(problems):
            lags = _tried(self._workers.lags, lags, problems)
        if self._may_go_on(problems):
            letters = _tried(self._dead_letters.look, letters, problems)
        counted, is_complete = letters
        owners = {place: one.name for one in group.members for place in one.partitions}
        last = self._rebalances.last
        return {
            "lag": [
                {
                    "topic": topic,
                    "partition": partition,
                    "lag": lag,
                    "owner": owners.get((topic, partition)),
                }
                for (topic, partition), lag in lags.items()
            ],
            "workers": [
                {
                    "name": one.name,
                    "host": one.host,
                    "partitions": [
                        {"topic": topic, "partition": partition}
                        for topic, partition in one.partitions
                    ],
                }
                for one in group.members
            ],
            "group_state": group.state,
            "last_rebalance": {
                "at": None if last.at is None else format_instant(last.at),
                "what": last.what,
            },
            "dead_letters": {
                "total_24h": sum(found.number for found in counted),
                "is_complete": is_complete,
                "by_reason": [
                    {
                        **found.why._asdict(),
                        "count": found.number,
                        "last_at": format_instant(found.last_at),
                    }
                    for found in counted
                ],
            },
            "problem": "; ".join(problems) or None,
        }

    def _may_go_on(self, problems: list[str]) -> bool:
        """Where one question had no answer, the others would wait for theirs as long."""
        return not problems and not self._is_over

    def _disconnect(self) -> None:
        self._workers.close()
        self._dead_letters.close()


def _tried(ask: Callable[[], _Found], otherwise: _Found, problems: list[str]) -> _Found:
    try:
        return ask()
    except ClusterError as error:
        problems.append(str(error))
    except KafkaException as error:
        problems.append(f"Kafka refuses: {why(error)}")
    log.warning("operations_unknown", reason=problems[-1])
    return otherwise
