"""What subscribers must see of an entity: a second reading of it, for comparison.

Nothing personal is shown of a checkout that was anonymized or deleted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from streams.demo.audit.recompute import Verdict, messages, price_of
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
        "total": _money(entity, "totalPrice", currency),
        "line_items": [
            _line(item, currency, is_private=is_private) for item in _objects(entity, "lineItems")
        ],
    }


def _line(item: Json, currency: str | None, *, is_private: bool) -> Json:
    catalog, physical = _object(item, "catalogReference"), _object(item, "physicalProperties")
    quantity = _typed(item, "quantity", int)
    unit = _money(item, "price", currency)
    total = None
    if unit is not None and quantity is not None:
        total = {
            "amount": f"{Decimal(unit['amount']) * quantity:f}",
            "currency": currency,
            "formatted": None,
        }
    lines = [] if is_private else _objects(item, "descriptionLines")
    return {
        "id": _text(item, "id"),
        "quantity": quantity,
        "catalog_item_id": _text(catalog, "catalogItemId"),
        "catalog_app_id": _text(catalog, "appId"),
        "sku": _text(physical, "sku"),
        "name": _name(_object(item, "productName")),
        "options": [
            {
                "name": _name(_object(line, "name")),
                "value": _name(_object(line, "plainText") or _object(line, "colorInfo")),
            }
            for line in lines
        ],
        "unit_price": unit,
        "unit_price_before_discounts": _money(item, "priceBeforeDiscounts", currency),
        "line_total": total,
        "image": _image(item.get("image")),
        "shippable": _typed(physical, "shippable", bool),
    }


def _image(image: object) -> Json | None:
    if isinstance(image, str):
        image = {"url": _https(image)}
        if image["url"] is None:
            return None
    if not isinstance(image, dict):
        return None
    return {
        "url": _https(_text(image, "url")),
        "width": _typed(image, "width", int),
        "height": _typed(image, "height", int),
        "alt_text": _text(image, "altText"),
    }


def _name(name: Json) -> Json:
    return {"original": _text(name, "original"), "translated": _text(name, "translated")}


def _money(source: Json, name: str, currency: str | None) -> Json | None:
    value = _object(source, name)
    money = price_of(value.get("amount"), currency)
    return money and {
        "amount": f"{money[1]:f}",
        "currency": money[0],
        "formatted": _text(value, "formattedAmount"),
    }


def _https(address: str | None) -> str | None:
    if address is None or urlsplit(address).scheme not in {"http", "https"}:
        return None
    return "https://" + address.split("://", 1)[1]


def _object(source: Json, name: str) -> Json:
    value = source.get(name)
    return value if isinstance(value, dict) else {}


def _objects(source: Json, name: str) -> list[Json]:
    value = source.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(source: Json, name: str) -> str | None:
    value = source.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value or None if isinstance(value, str) else None


def _typed(source: Json, name: str, kind: type) -> Any:  # noqa: ANN401  # JSON
    value = source.get(name)
    return value if type(value) is kind else None
