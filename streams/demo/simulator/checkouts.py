"""The life of one simulated abandoned checkout, as the entity that Wix would send."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from streams.demo.simulator.shops import Product, Shop, guid

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

_APP_ID: Final = "215238eb-22a5-4c36-9e7b-e7c08025e04e"
_FIRST: Final = ("Ada", "Grace", "Linus", "Margaret", "Kenji", "Sofía", "Jürgen", "Amélie")
_LAST: Final = ("Lovelace", "Hopper", "Yamada", "Hamilton", "Núñez", "Weiß", "Dubois", "Okafor")


@dataclass(slots=True)
class SimulatedCheckout:
    """A checkout that a buyer left; its methods change it as a day in its life would."""

    shop: Shop
    id: str
    created_at: datetime
    buyer: dict[str, Any]
    contact: dict[str, Any]
    checkout_id: str
    lines: list[tuple[str, Product, int]]
    coupon: str | None
    updated_at: datetime
    sequence: int = 0
    status: str = "ABANDONED"
    recovered_at: datetime | None = None
    activities: list[dict[str, Any]] = field(default_factory=list)
    is_anonymized: bool = False
    is_deleted: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it: Wix has deleted it or removed the buyer's data."""
        return self.is_anonymized or self.is_deleted

    def entity(self) -> dict[str, Any]:
        """The entity as it stands; unset fields are left out, as Wix does."""
        shop = self.shop
        subtotal = sum((item.price * count for _, item, count in self.lines), Decimal(0))
        saved = (subtotal / 10).quantize(Decimal(1).scaleb(-shop.places)) if self.coupon else 0
        entity = {
            "id": self.id,
            "createdDate": milliseconds(self.created_at),
            "updatedDate": milliseconds(self.updated_at),
            "checkoutId": self.checkout_id,
            "cartId": _related(self.id, "c"),
            "status": self.status,
            "buyerLanguage": shop.language,
            "buyerInfo": self.buyer,
            "contactDetails": self.contact,
            "currency": shop.currency,
            "conversionCurrency": shop.currency,
            "totalPrice": self._price(subtotal - saved),
            "subtotalPrice": self._price(subtotal),
            "activities": self.activities,
            "checkoutUrl": f"http://shop-{shop.site_id[:8]}.example/checkout?id={self.id}",
            "lineItems": [self._line(*line) for line in self.lines],
            "appliedDiscounts": [
                {
                    "discountType": "GLOBAL",
                    "lineItemIds": [],
                    "coupon": {
                        "id": _related(self.id, "d"),
                        "code": self.coupon,
                        "amount": self._price(Decimal(saved)),
                        "name": "Welcome",
                    },
                }
            ]
            if self.coupon
            else [],
        }
        if self.recovered_at is not None:
            entity["checkoutRecoveredDate"] = milliseconds(self.recovered_at)
        if self.is_anonymized:
            entity["buyerInfo"] = {}
            entity["contactDetails"] = {}
        return entity

    def add_activity(self, kind: str, at: datetime) -> None:
        """An automation has done something."""
        self.activities = [*self.activities, {"createdDate": milliseconds(at), "type": kind}]

    def touch(self, at: datetime) -> None:
        """Every change raises the sequence and the date."""
        self.sequence += 1
        self.updated_at = at

    def _price(self, amount: Decimal) -> dict[str, str]:
        shown = self.shop.format(amount)
        text = f"{amount:f}"
        return {
            "amount": text,
            "convertedAmount": text,
            "formattedAmount": shown,
            "formattedConvertedAmount": shown,
        }

    def _line(self, identifier: str, item: Product, count: int) -> dict[str, Any]:
        return {
            "id": identifier,
            "quantity": count,
            "catalogReference": {
                "catalogItemId": item.id,
                "appId": _APP_ID,
                "options": {"options": {"Size": "M"}},
            },
            "productName": {"original": item.name, "translated": item.translated},
            "price": self._price(item.price),
            "priceBeforeDiscounts": self._price(item.price),
            "descriptionLines": [
                {
                    "name": {"original": "Size", "translated": "Size"},
                    "plainText": {"original": "M", "translated": "M"},
                }
            ],
            "image": {
                "id": f"{item.id[:12]}.jpg",
                "url": f"https://static.example/media/{item.id[:12]}.jpg",
                "height": 800,
                "width": 800,
                "altText": item.name,
            },
            "physicalProperties": {"sku": item.sku, "shippable": True},
        }


def leave_checkout(random: Random, shop: Shop, at: datetime) -> SimulatedCheckout:
    """A buyer of a shop leaves: a guest or a member, now and then staff, or only a cart."""
    draw = random.random()
    contact: dict[str, Any] = {}
    checkout_id = guid(random)
    if draw < 0.03:  # noqa: PLR2004  # shares of the kinds of buyers
        buyer = {"userId": guid(random), "email": "owner@shop.example"}
    elif draw < 0.40:  # noqa: PLR2004
        number = random.randint(1, 10_000)
        first, last = random.choice(_FIRST), random.choice(_LAST)
        buyer = {
            "memberId": guid(random),
            "contactId": guid(random),
            "email": f"member{number}@mail.example",
        }
        contact = {"firstName": first, "lastName": last, "phone": f"+1555{number:07d}"}
        if random.random() < 0.3:  # noqa: PLR2004
            checkout_id = ""
    elif draw < 0.75:  # noqa: PLR2004
        buyer = {
            "visitorId": guid(random),
            "email": f"guest{random.randint(1, 10_000)}@mail.example",
        }
    else:
        buyer = {"visitorId": guid(random)}
    return SimulatedCheckout(
        shop=shop,
        id=guid(random),
        created_at=at,
        buyer=buyer,
        contact=contact,
        checkout_id=checkout_id,
        lines=[
            (guid(random), item, random.randint(1, 3))
            for item in random.sample(shop.products, random.randint(1, 3))
        ],
        coupon="WELCOME10" if random.random() < 0.2 else None,  # noqa: PLR2004
        updated_at=at,
    )


def milliseconds(at: datetime) -> str:
    """An entity's date."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _related(identifier: str, letter: str) -> str:
    return letter * 8 + identifier[8:]
