"""The shops of the simulated platform: their size, goods, currency and how often buyers return."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

_CURRENCIES: Final = (("USD", "en", "$", 2), ("EUR", "de", "€", 2), ("JPY", "ja", "¥", 0))
_AUTOMATIONS: Final = (
    ("SCHEDULED", "EMAIL_SENT", "EMAIL_SENT"),
    ("SCHEDULED", "EMAIL_SENT", "NOTIFICATION_SENT"),
    ("SCHEDULED", "EMAIL_SENT", "TASK_CREATED", "EMAIL_SENT"),
    ("EMAIL_NOT_SENT",),
)
#: Number of Wix apps whose webhooks come to one address.
APPS: Final = 2
_GOODS: Final = (
    ("Linen shirt", "Leinenhemd"),
    ("Ceramic mug", "Keramikbecher"),
    ("Olive oil, 500 ml", "Olivenöl, 500 ml"),
    ("Desk lamp", "Schreibtischlampe"),
    ("Wool blanket", "Wolldecke"),
    ("Trail shoes", "Laufschuhe"),
    ("Notebook A5", "Notizbuch A5"),
    ("Espresso beans, 1 kg", "Espressobohnen, 1 kg"),
)


@dataclass(frozen=True, slots=True)
class Product:
    """Something a shop sells."""

    id: str
    name: str
    translated: str
    price: Decimal
    sku: str


@dataclass(frozen=True, slots=True)
class Shop:
    """One site. ``weight`` is its share of the traffic, ``recovers`` of its abandonments return.

    ``automation`` is what its automations do with an abandoned checkout, in order; ``app`` is the
    number of the Wix app that is installed there.
    """

    instance_id: str
    site_id: str
    account_id: str
    weight: float
    recovers: float
    sends_messages: bool
    currency: str
    language: str
    symbol: str
    places: int
    products: tuple[Product, ...]
    automation: tuple[str, ...]
    app: int

    def format(self, amount: Decimal) -> str:
        """An amount as Wix shows it."""
        return f"{self.symbol}{amount:,.{self.places}f}"


def open_shops(random: Random, *, count: int, recovery_share: float) -> list[Shop]:
    """Shops whose sizes fall off as 1/rank and whose habits differ around ``recovery_share``."""
    return [_shop(random, rank, recovery_share) for rank in range(1, count + 1)]


def guid(random: Random) -> str:
    """A random GUID that the seed decides."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _shop(random: Random, rank: int, recovery_share: float) -> Shop:
    currency, language, symbol, places = _CURRENCIES[(rank - 1) % len(_CURRENCIES)]
    unit = Decimal(1) if places else Decimal(150)
    return Shop(
        instance_id=guid(random),
        site_id=guid(random),
        account_id=guid(random),
        weight=1 / rank,
        recovers=min(0.95, max(0.02, random.gauss(recovery_share, recovery_share / 3))),
        sends_messages=random.random() < 0.7,  # noqa: PLR2004  # most shops have automations
        currency=currency,
        language=language,
        symbol=symbol,
        places=places,
        products=tuple(
            Product(
                id=guid(random),
                name=name,
                translated=translated,
                price=(unit * Decimal(random.randint(500, 12_000)) / 100).quantize(
                    Decimal(1).scaleb(-places)
                ),
                sku=f"SKU-{rank:03d}-{number:02d}",
            )
            for number, (name, translated) in enumerate(_GOODS)
        ),
        automation=random.choices(_AUTOMATIONS, (5, 2, 2, 1))[0],
        app=rank % APPS,
    )
