"""Posts webhooks as Wix does: only exactly 200 within 1250 ms counts, else it is sent again.

Keeps the ledger of what was accepted, which the audit compares with the log.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.demo.simulator.platform import Sending
    from streams.demo.simulator.signing import Signer

_PATIENCE_SECONDS: Final = 1.25
_CONNECTIONS: Final = 32
#: Webhooks that wait for their turn or for a resend; more are not made meanwhile.
_MOST_WAITING: Final = 1_000
_RESEND_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_OK: Final = 200
POSITION_HEADER: Final = "X-Checkout-Recovery-Position"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A webhook that was answered 200.

    ``position`` is topic-partition-offset, empty where nothing was kept; ``digest`` is of the
    event's bytes; ``says_recovered``: its checkout must be known as recovered.
    """

    event_id: str
    checkout_id: str
    instance_id: str
    slug: str
    position: str
    digest: str = ""
    says_recovered: bool = False
    seconds: float = 0.0


@dataclass(slots=True)
class Ledger:
    """What happened to the webhooks so far.

    ``answers`` counts by status; ``given_up`` are those that were never accepted, also because the
    simulation ended first.
    """

    accepted: list[Accepted] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=2_000))
    given_up: int = 0
    sent: int = 0

    def lines(self) -> Iterator[str]:
        """What was accepted as JSON, a line each, for a later look; nothing of it is personal."""
        for webhook in self.accepted:
            yield json.dumps(asdict(webhook))

    def percentile(self, percent: int) -> float:
        """Milliseconds to the answer, of the latest ones."""
        ordered = sorted(self.seconds)
        return (
            1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0
        )


class Poster:
    """Delivers sendings to one URL. ``ledger`` grows while it does.

    ``resend_seconds``: pauses before each further attempt, short where Wix waits minutes and hours.
    """

    def __init__(
        self, url: str, signer: Signer, *, resend_seconds: Sequence[float] = _RESEND_SECONDS
    ) -> None:
        self._url = url
        self._signer = signer
        self._resend_seconds = resend_seconds
        self.ledger = Ledger()
        self._room = asyncio.Semaphore(_CONNECTIONS)
        self._waiting = asyncio.Semaphore(_MOST_WAITING)
        self._under_way: set[asyncio.Task[None]] = set()

    async def post_all(
        self, sendings: Iterator[Sending], *, stop: asyncio.Event, at_their_time: bool
    ) -> None:
        """Post until ``stop`` or the end; in real time, or as fast as they are answered."""
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            for sending in sendings:
                if at_their_time:
                    wait = (sending.at - datetime.now(UTC)).total_seconds()
                    if wait > 0 and await _set_within(stop, wait):
                        break
                if stop.is_set():
                    break
                await self._waiting.acquire()
                task = asyncio.create_task(self._deliver(session, sending, stop))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            while self._under_way:
                await asyncio.wait(self._under_way)

    async def _deliver(
        self, session: aiohttp.ClientSession, sending: Sending, stop: asyncio.Event
    ) -> None:
        """Post until it is accepted; a webhook that waits for a resend holds up no other."""
        try:
            for pause in (*self._resend_seconds, 0.0):
                async with self._room:
                    if stop.is_set():
                        break
                    if await self._post(session, sending):
                        return
                if await _set_within(stop, pause):
                    break
            self.ledger.given_up += 1
        finally:
            self._waiting.release()

    async def _post(self, session: aiohttp.ClientSession, sending: Sending) -> bool:
        body = self._signer.sign(sending.data, at=datetime.now(UTC), app=sending.app)
        started = time.monotonic()
        self.ledger.sent += 1
        try:
            async with session.post(self._url, data=body, allow_redirects=False) as answer:
                await answer.read()
                status, position = answer.status, answer.headers.get(POSITION_HEADER, "")
        except (aiohttp.ClientError, TimeoutError):
            self.ledger.answers["no answer"] += 1
            return False
        elapsed = time.monotonic() - started
        self.ledger.seconds.append(elapsed)
        self.ledger.answers[str(status)] += 1
        if status != _OK:
            return False
        self.ledger.accepted.append(
            Accepted(
                sending.event_id,
                sending.checkout_id,
                sending.instance_id,
                sending.slug,
                position,
                sending.digest,
                sending.says_recovered,
                elapsed,
            )
        )
        return True


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
