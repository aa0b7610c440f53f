"""Makes the page's answers, each once for all who look at the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.adapters.instants import format_instant, read_instant
from streams.api.overview import history
from streams.api.overview.kept import Kept
from streams.api.overview.totals import Totals
from streams.api.sites import find_site

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncEngine

    from streams.api.callers import Caller
    from streams.api.overview.sums import Frame
    from streams.api.overview.windows import Span
    from streams.domain.rates import RecoveryTimes

_OVERVIEW_SECONDS: Final = 0.5
_HISTORY_SECONDS: Final = 2.0
_RECENT_SECONDS: Final = 0.5
#: Versions differ by their numbers; this is for the percentiles beside them.
_VERSION_SECONDS: Final = 10.0
#: No answer takes more than a twentieth of the time, however many rows it is made of.
_TIMES_ITS_COST: Final = 20


class Board:
    """What a caller sees of one site, or of all of its sites."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._kept = Kept(times_its_cost=_TIMES_ITS_COST)
        self.totals = Totals(engine)

    async def overview(self, caller: Caller, site: str | None) -> bytes:
        """The numbers over all windows.

        Raises:
            ApiError: 404, there are no rates of such a site.
        """
        if site is not None:
            return await self._kept.get(
                ("overview", caller.sites, site.lower()),
                lambda: self._of_site(caller, site),
                seconds=_OVERVIEW_SECONDS,
            )
        await self.totals.look()
        return await self._kept.get(
            ("overview", caller.sites, self.totals.version),
            lambda: self._of_all(caller),
            seconds=_VERSION_SECONDS,
        )

    async def series(self, caller: Caller, site: str | None, span: Span) -> bytes:
        """Points over time.

        Raises:
            ApiError: 404, there are no rates of such a site.
        """

        async def compute() -> bytes:
            instance_id, stop = await self._scope(caller, site)
            points = []
            if stop is not None:
                async with self._engine.connect() as connection:
                    points = await history.series(connection, caller, instance_id, span, stop)
            seconds = int(span.bucket.total_seconds())
            return orjson.dumps({"window": span.name, "bucket_seconds": seconds, "points": points})

        return await self._kept.get(
            ("series", caller.sites, site, span.name), compute, seconds=_HISTORY_SECONDS
        )

    async def times(self, caller: Caller, site: str | None, span: Span) -> bytes:
        """Times to recovery.

        Raises:
            ApiError: 404, there are no rates of such a site.
        """

        async def compute() -> bytes:
            instance_id, stop = await self._scope(caller, site)
            bins: dict[int, int] = {}
            if stop is not None:
                async with self._engine.connect() as connection:
                    bins = await history.times(connection, caller, instance_id, span.length, stop)
            return orjson.dumps({"window": span.name, **history.distribution(bins)})

        return await self._kept.get(
            ("times", caller.sites, site, span.name), compute, seconds=_HISTORY_SECONDS
        )

    async def recent(self, caller: Caller, site: str | None, limit: int) -> bytes:
        """The latest recoveries.

        Raises:
            ApiError: 404, there are no rates of such a site.
        """

        async def compute() -> bytes:
            instance_id, _ = await self._scope(caller, site)
            async with self._engine.connect() as connection:
                found = await history.recent(connection, caller, instance_id, limit)
            return orjson.dumps({"recoveries": found})

        return await self._kept.get(
            ("recent", caller.sites, site, limit), compute, seconds=_RECENT_SECONDS
        )

    async def _scope(self, caller: Caller, site: str | None) -> tuple[str | None, datetime | None]:
        """The site's instance id, and the end of its longest window."""
        if site is None:
            total = await self.totals.of(caller)
            return None, total.frames[-1].stop if total.frames else None
        found = await find_site(self._engine, caller, site)
        record = orjson.loads(found["record"])
        return found["instance_id"], read_instant(record["windows"][-1]["to"])

    async def _of_site(self, caller: Caller, site: str) -> bytes:
        found = await find_site(self._engine, caller, site)
        record = orjson.loads(found["record"])
        return orjson.dumps(
            {
                "as_of": record["as_of"],
                "site": {"instance_id": record["instance_id"], "site_id": record["site_id"]},
                "sites": 1,
                "excluded_staff": record["excluded_staff"],
                "unpriced": record["unpriced"],
                "windows": record["windows"],
            }
        )

    async def _of_all(self, caller: Caller) -> bytes:
        frames = (await self.totals.of(caller)).frames
        times = {frame.name: await self._percentiles(caller, frame) for frame in frames}
        total = await self.totals.of(caller)
        head: dict[str, Any] = {
            "as_of": None if total.as_of is None else format_instant(total.as_of),
            "site": None,
            "sites": total.sums.sites,
            "excluded_staff": total.sums.excluded_staff,
            "unpriced": total.sums.unpriced,
            "windows": orjson.Fragment(total.sums.encode(total.frames, times)),
        }
        return orjson.dumps(head)

    async def _percentiles(self, caller: Caller, frame: Frame) -> RecoveryTimes:
        async def compute() -> bytes:
            length = frame.stop - frame.start
            async with self._engine.connect() as connection:
                bins = await history.times(connection, caller, None, length, frame.stop)
            return orjson.dumps(list(bins.items()))

        body = await self._kept.get(
            ("bins", caller.sites, frame.name), compute, seconds=_HISTORY_SECONDS
        )
        return history.recovery_times(dict(orjson.loads(body)))
