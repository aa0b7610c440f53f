"""Which webhooks the shops send, and when. Pure: the seed and the start decide every byte.

Invariant: the same seed, start and options give the same events, to the byte.
"""

from __future__ import annotations

import heapq
import itertools
import json
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from streams.demo.simulator.checkouts import (
    SimulatedCheckout,
    leave_checkout,
    microseconds,
)
from streams.demo.simulator.shops import Shop, guid, open_shops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

_FQDN: Final = "wix.ecom.v1.abandoned_checkout"


@dataclass(frozen=True, slots=True)
class Options:
    """What the platform is like. Shares are of checkouts or of webhooks.

    Attributes:
        seed: of everything random.
        sites: number of shops.
        recovery_share: mean share of checkouts that recover.
        duplicate_share: webhooks that are sent twice.
        disorder_share: webhooks that are held back behind later ones.
        pace: how fast lives go: at 1 a recovery takes hours, in a demo seconds.
    """

    seed: int = 1
    sites: int = 12
    recovery_share: float = 0.25
    duplicate_share: float = 0.05
    disorder_share: float = 0.05
    pace: float = 1.0


@dataclass(frozen=True, slots=True)
class Sending:
    """One webhook: when it leaves Wix, and the envelope A as the claim ``data`` holds it."""

    at: datetime
    checkout_id: str
    instance_id: str
    event_id: str
    slug: str
    data: str


class Platform:
    """Simulated shops. ``sendings`` goes on for ever."""

    def __init__(self, options: Options, start: datetime) -> None:
        self._options = options
        self._random = Random(options.seed)  # noqa: S311  # repeatable, not secret
        self._start = start
        self._queue: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._ready: list[tuple[datetime, int, Sending]] = []
        self._order = itertools.count()
        self.shops = open_shops(
            self._random, count=options.sites, recovery_share=options.recovery_share
        )
        self._weights = [shop.weight for shop in self.shops]

    def sendings(self, abandonments: Iterator[datetime]) -> Iterator[Sending]:
        """Webhooks in the order of their sending; ``abandonments`` are rising instants."""
        upcoming = next(abandonments, None)
        while upcoming is not None or self._queue or self._ready:
            times = [queue[0][0] for queue in (self._queue, self._ready) if queue]
            if upcoming is not None and all(upcoming <= at for at in times):
                self._abandon(upcoming)
                upcoming = next(abandonments, None)
            elif self._ready and self._ready[0][0] <= min(times):
                yield heapq.heappop(self._ready)[2]
            else:
                at, _, act = heapq.heappop(self._queue)
                act(at)

    def _later(self, at: datetime, act: Callable[[datetime], None]) -> None:
        heapq.heappush(self._queue, (at, next(self._order), act))

    def _after(self, at: datetime, hours: float) -> datetime:
        seconds = self._random.expovariate(1 / (hours * 3600)) / self._options.pace
        return at + timedelta(seconds=seconds, microseconds=1)

    def _abandon(self, at: datetime) -> None:
        random = self._random
        shop = random.choices(self.shops, self._weights)[0]
        checkout = leave_checkout(random, shop, at)
        checkout.touch(at)
        self._send(checkout, at, "created")
        chance = shop.recovers
        if "email" not in checkout.buyer and random.random() < 0.4:  # noqa: PLR2004  # guests come back
            self._later(self._after(at, 0.3), lambda then: self._type_email(checkout, then))
        if shop.sends_messages and checkout.buyer.get("email"):
            chance = min(0.95, chance * 1.3)
            self._later(self._after(at, 0.5), lambda then: self._automate(checkout, then, 0))
        if random.random() < 0.1:  # noqa: PLR2004
            self._later(self._after(at, 1), lambda then: self._change_cart(checkout, then))
        if random.random() < chance:
            self._later(self._after(at, 4), lambda then: self._recover(checkout, then))
        elif random.random() < 0.04:  # noqa: PLR2004
            self._later(self._after(at, 8), lambda then: self._delete(checkout, then))
        if random.random() < 0.02:  # noqa: PLR2004
            self._later(self._after(at, 10), lambda then: self._anonymize(checkout, then))

    def _type_email(self, checkout: SimulatedCheckout, at: datetime) -> None:
        if checkout.is_anonymized:
            return
        number = self._random.randint(1, 10_000)
        checkout.buyer = {**checkout.buyer, "email": f"late{number}@mail.example"}
        checkout.touch(at)
        self._send(checkout, at, "updated")

    def _automate(self, checkout: SimulatedCheckout, at: datetime, step: int) -> None:
        if checkout.is_anonymized:
            return
        types = ("SCHEDULED", "EMAIL_SENT", "EMAIL_SENT")
        checkout.touch(at)
        checkout.activities = [
            *checkout.activities,
            {"createdDate": microseconds(at)[:-4] + "Z", "type": types[step]},
        ]
        self._send(checkout, at, "updated")
        if step + 1 < len(types) and checkout.status == "ABANDONED":
            then = self._after(at, 1)
            self._later(then, lambda when: self._automate(checkout, when, step + 1))

    def _change_cart(self, checkout: SimulatedCheckout, at: datetime) -> None:
        if checkout.status != "ABANDONED":
            return
        identifier, item, count = checkout.lines[0]
        checkout.lines = [(identifier, item, count + 1), *checkout.lines[1:]]
        checkout.touch(at)
        self._send(checkout, at, "updated")

    def _recover(self, checkout: SimulatedCheckout, at: datetime) -> None:
        checkout.status = "RECOVERED"
        checkout.recovered_at = at
        checkout.touch(at)
        slugs = ["recovered", "updated"]
        self._random.shuffle(slugs)
        for slug in slugs[: self._random.choice((1, 2, 2))] if slugs[0] == "recovered" else slugs:
            self._send(checkout, at, slug)

    def _delete(self, checkout: SimulatedCheckout, at: datetime) -> None:
        checkout.touch(at)
        self._send(checkout, at, "deleted")

    def _anonymize(self, checkout: SimulatedCheckout, at: datetime) -> None:
        checkout.is_anonymized = True
        checkout.touch(at)
        self._send(checkout, at, "updated", is_anonymize=True)

    def _send(
        self, checkout: SimulatedCheckout, at: datetime, slug: str, *, is_anonymize: bool = False
    ) -> None:
        random, options = self._random, self._options
        event_id = guid(random)
        data = _envelope(checkout, at, slug, event_id, random, is_anonymize=is_anonymize)
        sending = Sending(at, checkout.id, checkout.shop.instance_id, event_id, slug, data)
        when = at
        if random.random() < options.disorder_share:
            when = self._after(at, 0.5)
        self._ship(when, sending)
        if random.random() < options.duplicate_share:
            self._ship(self._after(when, 0.5), sending)

    def _ship(self, at: datetime, sending: Sending) -> None:
        late = Sending(
            at,
            sending.checkout_id,
            sending.instance_id,
            sending.event_id,
            sending.slug,
            sending.data,
        )
        heapq.heappush(self._ready, (at, next(self._order), late))


def steady(random: Random, start: datetime, rate: float) -> Iterator[datetime]:
    """Rising instants, ``rate`` a second on average, for ever."""
    at = start
    while True:
        at += timedelta(seconds=random.expovariate(rate))
        yield at


def past(random: Random, end: datetime, *, days: float, count: int) -> Iterator[datetime]:
    """``count`` rising instants in the days before ``end``."""
    ages = sorted((random.random() * days for _ in range(count)), reverse=True)
    return (end - timedelta(days=age) for age in ages)


def _envelope(  # the parts of an event
    checkout: SimulatedCheckout,
    at: datetime,
    slug: str,
    event_id: str,
    random: Random,
    *,
    is_anonymize: bool,
) -> str:
    entity = checkout.entity()
    members: dict[str, dict[str, Any]] = {
        "created": {"createdEvent": {"entity": entity}},
        "updated": {"updatedEvent": {"currentEntity": entity}},
        "recovered": {"actionEvent": {"body": {"abandonedCheckout": entity}}},
        "deleted": {"deletedEvent": {}},
    }
    event = {
        "id": event_id,
        "entityFqdn": _FQDN,
        "slug": slug,
        "entityId": checkout.id,
        "eventTime": microseconds(at),
        "triggeredByAnonymizeRequest": is_anonymize,
        **members[slug],
    }
    if random.random() < 0.9:  # noqa: PLR2004  # now and then Wix leaves it out
        event["entityEventSequence"] = str(checkout.sequence)
    kind = "memberId" if "memberId" in checkout.buyer else "anonymousVisitorId"
    shop: Shop = checkout.shop
    return json.dumps(
        {
            "data": json.dumps(event, ensure_ascii=False),
            "instanceId": shop.instance_id,
            "eventType": f"{_FQDN}_{slug}",
            "identity": json.dumps(
                {
                    "identityType": "MEMBER" if kind == "memberId" else "ANONYMOUS_VISITOR",
                    kind: checkout.buyer.get("memberId") or checkout.buyer.get("visitorId"),
                }
            ),
            "accountInfo": {"accountId": shop.account_id, "siteId": shop.site_id},
        },
        ensure_ascii=False,
    )
