"""The parts of an entity as the lifecycle events show them. Pure and total: missing is null."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from streams.adapters import entity as read
from streams.domain.events import TOUCH_TYPES

if TYPE_CHECKING:
    from streams.adapters.entity import Json

#: Wix takes up to 100,000 of a line.
_MOST_UNITS: Final = 1_000_000_000
#: Wix's own limits; what is beyond them is not published, so that a record stays a record.
_MOST_LINES: Final = 300
_MOST_DISCOUNTS: Final = 100
_MOST_ACTIVITIES: Final = 100
#: An address that ``urlsplit`` and ``urlunsplit`` would give back as it is: nearly every one.
_PLAIN_ADDRESS: Final = re.compile(
    r"https?://[A-Za-z0-9.-]+(:[0-9]+)?/[A-Za-z0-9/._~%=&+,:@!$'()*;-]*"
    r"(\?[A-Za-z0-9/._~%=&+,:@!$'()*;-]+)?"
)
_BUYER_KINDS: Final = (("memberId", "member"), ("visitorId", "visitor"), ("userId", "user"))


def buyer(entity: Json) -> Json:
    """Who left: a member, a visitor, or a user (the site's owner or a collaborator)."""
    info, details = read.part(entity, "buyerInfo"), read.part(entity, "contactDetails")
    kind, identifier = next(
        ((kind, found) for name, kind in _BUYER_KINDS if (found := read.text(info, name))),
        (None, None),
    )
    return {
        "kind": kind,
        "id": identifier,
        "contact_id": read.text(info, "contactId"),
        "email": read.text(info, "email"),
        "phone": read.text(details, "phone"),
        "first_name": read.text(details, "firstName"),
        "last_name": read.text(details, "lastName"),
        "company": read.text(details, "company"),
    }


def reachable_by(who: Json) -> list[str]:
    """The ways to reach a buyer that are known: email, phone, contact."""
    return [
        way
        for way, field in (("email", "email"), ("phone", "phone"), ("contact", "contact_id"))
        if who[field]
    ]


def subject_key(who: Json) -> str | None:
    """One key for one buyer, for frequency caps: contact, else member, else visitor."""
    if who["contact_id"]:
        return f"contact:{who['contact_id']}"
    if who["kind"] in {"member", "visitor"}:
        return f"{who['kind']}:{who['id']}"
    return None


def language(entity: Json) -> str | None:
    """The buyer's language as a BCP 47 tag."""
    return read.language(entity, "buyerLanguage")


def price(entity: Json, name: str, *, converted: bool = False) -> Json | None:
    """A price in the shop's currency, or converted into the buyer's."""
    currency = read.text(entity, "conversionCurrency" if converted else "currency")
    return read.money(read.part(entity, name), currency, converted=converted)


def total(entity: Json) -> Json | None:
    """The total in the shop's currency, after discounts, gift cards and tax."""
    return price(entity, "totalPrice")


def checkout_url(entity: Json) -> str | None:
    """The link back to the checkout, over https (Wix often writes http); None: no campaign."""
    return _https(read.text(entity, "checkoutUrl"))


def line_items(entity: Json) -> list[Json]:
    """What was in the cart. Prices are of one unit, after catalog and line discounts."""
    currency = read.text(entity, "currency")
    return [_line_item(item, currency) for item in read.parts(entity, "lineItems")[:_MOST_LINES]]


def item_count(entity: Json) -> int:
    """Units in the cart, over all lines."""
    return sum(_quantity(item) or 0 for item in read.parts(entity, "lineItems"))


def discounts(entity: Json) -> list[Json]:
    """What was taken off, by a coupon, the merchant, or a rule of the shop."""
    currency = read.text(entity, "currency")
    return [
        _discount(item, currency)
        for item in read.parts(entity, "appliedDiscounts")[:_MOST_DISCOUNTS]
    ]


def automation(entity: Json) -> Json:
    """What Wix Automations did. ``is_scheduled``: its newest act is a schedule, so more comes."""
    activities = [
        {"type": read.text(item, "type"), "occurred_at": read.instant(item, "createdDate")}
        for item in read.parts(entity, "activities")[-_MOST_ACTIVITIES:]
    ]
    sent = [item["occurred_at"] for item in activities if item["type"] in TOUCH_TYPES]
    newest = max(
        enumerate(activities),
        key=lambda item: (item[1]["occurred_at"] or "", item[0]),
        default=None,
    )
    return {
        "activities": activities,
        "is_scheduled": newest is not None and newest[1]["type"] == "SCHEDULED",
        "messages_sent": len(sent),
        "last_message_at": max((at for at in sent if at), default=None),
    }


def _line_item(item: Json, currency: str | None) -> Json:
    catalog = read.part(item, "catalogReference")
    physical = read.part(item, "physicalProperties")
    unit_price = read.money(read.part(item, "price"), currency)
    quantity = _quantity(item)
    return {
        "id": read.text(item, "id"),
        "quantity": quantity,
        "catalog_item_id": read.text(catalog, "catalogItemId"),
        "catalog_app_id": read.text(catalog, "appId"),
        "sku": read.text(physical, "sku"),
        "name": _name(read.part(item, "productName")),
        "options": [_option(line) for line in read.parts(item, "descriptionLines")],
        "unit_price": unit_price,
        "unit_price_before_discounts": read.money(
            read.part(item, "priceBeforeDiscounts"), currency
        ),
        "line_total": None
        if unit_price is None or quantity is None
        else {
            "amount": _times(str(unit_price["amount"]), quantity),
            "currency": unit_price["currency"],
            "formatted": None,
        },
        "image": _image(item),
        "shippable": read.flag(physical, "shippable"),
    }


@lru_cache(maxsize=4096)
def _times(amount: str, quantity: int) -> str:
    return f"{Decimal(amount) * quantity:f}"


def _quantity(item: Json) -> int | None:
    """Units; below none or beyond any cart it is not known."""
    quantity = read.number(item, "quantity")
    return quantity if quantity is not None and 0 <= quantity <= _MOST_UNITS else None


def _percentage(value: object) -> str | None:
    """A plain decimal, never with an exponent; outside 0 to 100 it is not known."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 100:  # noqa: PLR2004  # per cent
        return None
    return f"{Decimal(str(value)):f}"


def _name(name: Json) -> Json:
    return {"original": read.text(name, "original"), "translated": read.text(name, "translated")}


def _option(line: Json) -> Json:
    value = read.part(line, "plainText") or read.part(line, "colorInfo")
    return {"name": _name(read.part(line, "name")), "value": _name(value)}


def _image(item: Json) -> Json | None:
    image = item.get("image")
    if isinstance(image, str):  # the SDK's form
        url = _https(image)
        return (
            None if url is None else {"url": url, "width": None, "height": None, "alt_text": None}
        )
    if not isinstance(image, dict):
        return None
    return {
        "url": _https(read.text(image, "url")),
        "width": read.number(image, "width"),
        "height": read.number(image, "height"),
        "alt_text": read.text(image, "altText"),
    }


def _discount(item: Json, currency: str | None) -> Json:
    kind, what = next(
        (
            (kind, part)
            for name, kind in (
                ("coupon", "coupon"),
                ("merchantDiscount", "merchant"),
                ("discountRule", "rule"),
            )
            if (part := read.part(item, name))
        ),
        (None, read.EMPTY),
    )
    name = what.get("name")
    identifiers = item.get("lineItemIds")
    return {
        "kind": kind,
        "code": read.text(what, "code"),
        "name": read.text(name, "original") if isinstance(name, dict) else read.text(what, "name"),
        "amount": read.money(read.part(what, "amount"), currency),
        "percentage": _percentage(what.get("percentage")),
        "scope": read.text(item, "discountType"),
        "line_item_ids": [text for text in identifiers if isinstance(text, str)]
        if isinstance(identifiers, list)
        else [],
    }


def _https(address: str | None) -> str | None:
    if address is None:
        return None
    if _PLAIN_ADDRESS.fullmatch(address):
        return f"https:{address.partition(':')[2]}"
    try:
        split = urlsplit(address)
        if split.scheme not in {"http", "https"} or not split.hostname:
            return None
    except ValueError:
        return None
    return urlunsplit(split._replace(scheme="https"))
