"""Simulated shops that post webhooks, with duplicates, disorder and poison, until told to stop."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

from streams.demo.simulator.platform import Options, Platform, past, steady
from streams.demo.simulator.posting import Accepted, Poster

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.demo.simulator.signing import Signer


class Traffic:
    """Runs in a thread. ``rate`` is of checkouts left a second; each sends two webhooks or so."""

    def __init__(self, url: str, signer: Signer, *, seed: int, rate: float) -> None:
        pauses = (0.5, *[1.0] * 120)  # impatient, so that what comes in hides no gap
        self._posters = [Poster(url, signer, resend_seconds=pauses) for _ in range(2)]
        self._options = Options(
            seed=seed,
            sites=20,
            pace=1800,
            duplicate_share=0.15,
            disorder_share=0.15,
            unreadable_share=0.01,
        )
        self._rate = rate
        self._stop: Callable[[], Any] | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._post()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        assert self._stop is not None
        self._stop()
        self._thread.join()

    @property
    def accepted(self) -> list[Accepted]:
        """The webhooks that were answered 200."""
        return [webhook for poster in self._posters for webhook in poster.ledger.accepted]

    @property
    def answers(self) -> dict[str, int]:
        """Answers by status."""
        found: dict[str, int] = {}
        for poster in self._posters:
            for name, count in poster.ledger.answers.items():
                found[name] = found.get(name, 0) + count
        return found

    async def _post(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        self._started.set()
        options, now = self._options, datetime.now(UTC)
        random = Random(options.seed)
        history = Platform(options, now).sendings(past(random, now, days=36, count=300))
        old = (sending for sending in history if sending.at <= now)
        await self._posters[0].post_all(old, stop=stop, at_their_time=False)
        start = datetime.now(UTC)
        live = Platform(options, start).sendings(steady(random, start, self._rate))
        await self._posters[1].post_all(live, stop=stop, at_their_time=True)
