"""Which webhooks the shops send, and when. Pure: the seed and the start decide every byte.

Invariant: the same seed, start and options give the same events, to the byte.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from streams.demo.simulator import envelopes
from streams.demo.simulator.checkouts import SimulatedCheckout, leave_checkout
from streams.demo.simulator.shops import Shop, guid, open_shops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

#: Shares of checkouts to which these things happen.
_TYPES_EMAIL: Final = 0.4
_CHANGES_CART: Final = 0.1
_IS_DELETED: Final = 0.04
_IS_ANONYMIZED: Final = 0.02
#: Event types of the slugs that are only ours.
_EVENT_TYPES: Final = {
    "other": "wix.ecom.v1.order_approved",
    "unreadable": envelopes.event_type_of("updated"),
    "nameless": envelopes.event_type_of("updated"),
}
#: Seconds after which a resend comes, in Wix's own time: 1, 10 and 60 minutes.
_RESENDS: Final = (60, 600, 3600)
#: How much likelier a buyer returns who was written to.
_LURE: Final = 1.3


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
        other_share: webhooks of other types beside ours.
        unreadable_share: webhooks that are genuine, and of a form that nobody announced.
    """

    seed: int = 1
    sites: int = 12
    recovery_share: float = 0.25
    duplicate_share: float = 0.05
    disorder_share: float = 0.05
    pace: float = 1.0
    other_share: float = 0.01
    unreadable_share: float = 0.002


@dataclass(frozen=True, slots=True)
class Sending:
    """One webhook: when it leaves Wix, and the envelope A as the claim ``data`` holds it.

    ``event`` is the event B inside it. ``app`` says whose key signs. ``slug`` is ``other`` for an
    event of another type, ``unreadable`` for one whose entity can't be read, ``nameless`` for one
    that does not say its site. ``says_recovered``: who reads it must know that the checkout is
    recovered.
    """

    at: datetime
    checkout_id: str
    instance_id: str
    event_id: str
    slug: str
    event: str
    data: str
    app: int
    says_recovered: bool = False

    @property
    def digest(self) -> str:
        """A fingerprint of the event's bytes, by which the audit knows them again."""
        return hashlib.blake2b(self.event.encode(), digest_size=16).hexdigest()


@dataclass(slots=True)
class SiteTruth:
    """What really happened at a site so far, whatever has been sent of it."""

    abandoned: int = 0
    recovered: int = 0


class Platform:
    """Simulated shops. ``sendings`` goes on for as long as there are abandonments.

    ``truth`` grows by site while it does, ``kinds`` counts the sendings by slug.
    """

    def __init__(self, options: Options, start: datetime) -> None:
        self._options = options
        # Shops are the seed's alone, so that a history and live traffic share them.
        shops_random = Random(f"{options.seed}/shops")  # noqa: S311  # repeatable, not secret
        self._random = Random(f"{options.seed}/{start.isoformat()}/{options.pace}")  # noqa: S311
        self._queue: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._ready: list[tuple[datetime, int, Sending]] = []
        self._order = itertools.count()
        self.shops = open_shops(
            shops_random, count=options.sites, recovery_share=options.recovery_share
        )
        self._weights = [shop.weight for shop in self.shops]
        self.truth = {shop.instance_id: SiteTruth() for shop in self.shops}
        self.kinds: Counter[str] = Counter()

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
        self.truth[shop.instance_id].abandoned += 1
        checkout.touch(at)
        self._send(checkout, at, "created")
        chance = shop.recovers
        if "email" not in checkout.buyer and random.random() < _TYPES_EMAIL:
            self._later(self._after(at, 0.3), lambda then: self._type_email(checkout, then))
        if shop.sends_messages and checkout.buyer.get("email"):
            chance = min(0.95, chance * _LURE)
            self._later(self._after(at, 0.5), lambda then: self._automate(checkout, then, 0))
        if random.random() < _CHANGES_CART:
            self._later(self._after(at, 1), lambda then: self._change_cart(checkout, then))
        if random.random() < chance:
            self._later(self._after(at, 4), lambda then: self._recover(checkout, then))
        elif random.random() < _IS_DELETED:
            self._later(self._after(at, 8), lambda then: self._delete(checkout, then))
        if random.random() < _IS_ANONYMIZED:
            self._later(self._after(at, 10), lambda then: self._anonymize(checkout, then))

    def _type_email(self, checkout: SimulatedCheckout, at: datetime) -> None:
        if checkout.is_over:
            return
        number = self._random.randint(1, 10_000)
        checkout.buyer = {**checkout.buyer, "email": f"late{number}@mail.example"}
        checkout.touch(at)
        self._send(checkout, at, "updated")
        if checkout.shop.sends_messages:
            self._later(self._after(at, 0.5), lambda then: self._automate(checkout, then, 0))

    def _automate(self, checkout: SimulatedCheckout, at: datetime, step: int) -> None:
        if checkout.is_over:
            return
        messages = checkout.shop.automation
        kind = messages[step]
        if checkout.status == "RECOVERED":
            if kind == "SCHEDULED":
                return
            kind = "AUTOMATION_SKIPPED"
        checkout.touch(at)
        checkout.add_activity(kind, at)
        self._send(checkout, at, "updated")
        if step + 1 < len(messages) and kind != "AUTOMATION_SKIPPED":
            then = self._after(at, 1)
            self._later(then, lambda when: self._automate(checkout, when, step + 1))

    def _change_cart(self, checkout: SimulatedCheckout, at: datetime) -> None:
        if checkout.status != "ABANDONED" or checkout.is_over:
            return
        identifier, item, count = checkout.lines[0]
        checkout.lines = [(identifier, item, count + 1), *checkout.lines[1:]]
        checkout.touch(at)
        self._send(checkout, at, "updated")

    def _recover(self, checkout: SimulatedCheckout, at: datetime) -> None:
        if checkout.is_deleted:
            return
        self.truth[checkout.shop.instance_id].recovered += 1
        checkout.status = "RECOVERED"
        checkout.recovered_at = at
        checkout.touch(at)
        slugs = self._random.choice(
            (["recovered"], ["recovered", "updated"], ["updated", "recovered"])
        )
        for slug in slugs:
            self._send(checkout, at, slug)

    def _delete(self, checkout: SimulatedCheckout, at: datetime) -> None:
        checkout.is_deleted = True
        checkout.touch(at)
        self._send(checkout, at, "deleted")

    def _anonymize(self, checkout: SimulatedCheckout, at: datetime) -> None:
        if checkout.is_over:
            return
        checkout.is_anonymized = True
        checkout.touch(at)
        self._send(checkout, at, "updated", is_anonymize=True)

    def _send(
        self, checkout: SimulatedCheckout, at: datetime, slug: str, *, is_anonymize: bool = False
    ) -> None:
        random, options, shop = self._random, self._options, checkout.shop
        event_id = guid(random)
        event = envelopes.write_event(
            checkout,
            at=at,
            slug=slug,
            event_id=event_id,
            random=random,
            is_anonymize=is_anonymize,
        )
        says_recovered = checkout.status == "RECOVERED" and slug != "deleted"
        self._post(shop, at, slug, event_id, event, checkout, says_recovered=says_recovered)
        if random.random() < options.unreadable_share:
            event_id = guid(random)
            event = envelopes.write_broken_event(checkout, at=at, event_id=event_id)
            slug = random.choice(("unreadable", "nameless"))
            self._post(shop, at, slug, event_id, event, checkout)
        if random.random() < options.other_share:
            event_id = guid(random)
            event = envelopes.write_other_event(
                shop, at=at, event_id=event_id, order_id=guid(random)
            )
            self._post(shop, at, "other", event_id, event, checkout)

    def _post(  # noqa: PLR0913  # one argument a field
        self,
        shop: Shop,
        at: datetime,
        slug: str,
        event_id: str,
        event: str,
        checkout: SimulatedCheckout,
        *,
        says_recovered: bool = False,
    ) -> None:
        random, options = self._random, self._options
        buyer: dict[str, Any] = {} if checkout.is_anonymized else checkout.buyer
        event_type = _EVENT_TYPES.get(slug, envelopes.event_type_of(slug))
        sending = Sending(
            at=at,
            checkout_id=checkout.id,
            instance_id=shop.instance_id,
            event_id=event_id,
            slug=slug,
            event=event,
            data=envelopes.write_envelope(
                shop,
                event,
                event_type=event_type,
                buyer=buyer,
                is_nameless=slug == "nameless",
            ),
            app=shop.app,
            says_recovered=says_recovered,
        )
        self.kinds[slug] += 1
        if random.random() < options.disorder_share:
            sending = replace(sending, at=self._after(at, 0.5))
        self._ship(sending)
        if random.random() < options.duplicate_share:
            wait = random.choice(_RESENDS) / options.pace
            self._ship(replace(sending, at=sending.at + timedelta(seconds=wait)))

    def _ship(self, sending: Sending) -> None:
        heapq.heappush(self._ready, (sending.at, next(self._order), sending))


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
