"""What subscribers must see of an entity: a second reading of it, for comparison.

Nothing personal is shown of a checkout that was anonymized or deleted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from streams.demo.audit.recompute import Verdict, messages, price
from streams.demo.audit.times import SECOND, show

if TYPE_CHECKING:
    from streams.demo.audit.evidence import Evidence

Json = dict[str, Any]

#: What ``checkout.changed`` speaks of.
_CHANGING: Final = ("buyer", "checkout_url", "total", "line_items")


def shown(verdict: Verdict) -> Json:
    """The fields of a lifecycle event that come from the entity and from what is known."""
    parts = _parts(verdict.content, is_private=verdict.is_private)
    entity = (verdict.content.entity if verdict.content else None) or {}
    counted = verdict.facets.entity if verdict.facets else None
    return {
        "status": "RECOVERED" if verdict.recovered_at is not None else _text(entity, "status"),
        "stage": None if counted is None else "checkout" if counted.get("checkoutId") else "cart",
        "is_staff": None
        if counted is None
        else bool((counted.get("buyerInfo") or {}).get("userId")),
        "checkout_id": _text(entity, "checkoutId"),
        "cart_id": _text(entity, "cartId"),
        **parts,
        "reachable_by": [
            way
            for way, name in (("email", "email"), ("phone", "phone"), ("contact", "contact_id"))
            if parts["buyer"][name]
        ],
        "item_count": sum(line["quantity"] or 0 for line in parts["line_items"]),
    }


def changed(before: Verdict | None, after: Verdict) -> list[str]:
    """Which fields a subscriber sees change between the newest contents of two verdicts."""
    if before is None or before.content is None or after.content is None:
        return []
    if before.content.version == after.content.version:
        return []
    old = _parts(before.content, is_private=False)
    new = _parts(after.content, is_private=False)
    return [name for name in _CHANGING if old[name] != new[name]]


def last_touch(verdict: Verdict) -> Json | None:
    """The last message before the recovery."""
    bought = verdict.recovered_at
    if bought is None:
        return None
    sent = [(at, kind) for at, kind in messages(verdict.facets) if at is not None and at <= bought]
    if not sent:
        return None
    newest = max(at for at, _ in sent)
    return {
        "type": next(kind for at, kind in sent if at == newest),
        "occurred_at": show(newest),
        "seconds_before_recovery": (bought - newest) // SECOND,
    }


def personal_strings(evidence: Evidence) -> set[str]:
    """Strings of an event by which a person could be found again."""
    entity = evidence.entity or {}
    buyer, contact = entity.get("buyerInfo") or {}, entity.get("contactDetails") or {}
    found = (buyer.get("email"), buyer.get("contactId"), contact.get("phone"))
    return {text for text in found if isinstance(text, str) and text}


def _parts(evidence: Evidence | None, *, is_private: bool) -> Json:
    entity = (evidence.entity if evidence else None) or {}
    who = {} if is_private else _object(entity, "buyerInfo")
    contact = {} if is_private else _object(entity, "contactDetails")
    kinds = [
        (kind, identifier)
        for kind in ("member", "visitor", "user")
        if (identifier := _text(who, f"{kind}Id"))
    ]
    kind, identifier = kinds[0] if kinds else (None, None)
    currency = _text(entity, "currency")
    _, amount = price(evidence)
    return {
        "buyer": {
            "kind": kind,
            "id": identifier,
            "contact_id": _text(who, "contactId"),
            "email": _text(who, "email"),
            "phone": _text(contact, "phone"),
            "first_name": _text(contact, "firstName"),
            "last_name": _text(contact, "lastName"),
            "company": _text(contact, "company"),
        },
        "checkout_url": None if is_private else _https(_text(entity, "checkoutUrl")),
        "total": None if amount is None else _money(entity.get("totalPrice"), currency),
        "line_items": [
            _line(item, currency, is_private=is_private)
            for item in entity.get("lineItems") or []
            if isinstance(item, dict)
        ],
    }


def _line(item: Json, currency: str | None, *, is_private: bool) -> Json:
    catalog, physical = _object(item, "catalogReference"), _object(item, "physicalProperties")
    quantity = item.get("quantity")
    unit = _money(item.get("price"), currency)
    total = None
    if unit is not None and quantity is not None:
        total = {
            "amount": f"{Decimal(unit['amount']) * quantity:f}",
            "currency": currency,
            "formatted": None,
        }
    image = item.get("image")
    lines = [] if is_private else item.get("descriptionLines") or []
    return {
        "id": _text(item, "id"),
        "quantity": quantity,
        "catalog_item_id": _text(catalog, "catalogItemId"),
        "catalog_app_id": _text(catalog, "appId"),
        "sku": _text(physical, "sku"),
        "name": _name(item.get("productName")),
        "options": [
            {
                "name": _name(line.get("name")),
                "value": _name(line.get("plainText") or line.get("colorInfo")),
            }
            for line in lines
        ],
        "unit_price": unit,
        "unit_price_before_discounts": _money(item.get("priceBeforeDiscounts"), currency),
        "line_total": total,
        "image": _image(image) if image else None,
        "shippable": physical.get("shippable"),
    }


def _image(image: Json | str) -> Json | None:
    if isinstance(image, str):
        url = _https(image)
        return url and {"url": url, "width": None, "height": None, "alt_text": None}  # type: ignore[return-value]  # None or a dict
    return {
        "url": _https(_text(image, "url")),
        "width": image.get("width"),
        "height": image.get("height"),
        "alt_text": _text(image, "altText"),
    }


def _name(name: Json | None) -> Json:
    return {
        "original": _text(name or {}, "original"),
        "translated": _text(name or {}, "translated"),
    }


def _money(value: Json | None, currency: str | None) -> Json | None:
    if not value or not isinstance(value.get("amount"), str) or currency is None:
        return None
    return {
        "amount": value["amount"],
        "currency": currency,
        "formatted": _text(value, "formattedAmount"),
    }


def _https(address: str | None) -> str | None:
    if address is None or urlsplit(address).scheme not in {"http", "https"}:
        return None
    return "https://" + address.split("://", 1)[1]


def _object(source: Json, name: str) -> Json:
    value = source.get(name)
    return value if isinstance(value, dict) else {}


def _text(source: Json, name: str) -> str | None:
    value = source.get(name)
    return value or None if isinstance(value, str) else None
