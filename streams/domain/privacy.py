"""Which part of an entity may stay when personal data has to go.

Invariant: a list of what may stay, not of what must go: an unknown field is taken as personal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

_MONEY: Final = {
    "amount": True,
    "convertedAmount": True,
    "formattedAmount": True,
    "formattedConvertedAmount": True,
}
_NAME: Final = {"original": True, "translated": True}

_IMPERSONAL: Final[Mapping[str, object]] = {
    "id": True,
    "createdDate": True,
    "updatedDate": True,
    "status": True,
    "checkoutId": True,
    "cartId": True,
    "checkoutRecoveredDate": True,
    "buyerLanguage": True,
    "currency": True,
    "conversionCurrency": True,
    "totalPrice": _MONEY,
    "subtotalPrice": _MONEY,
    "activities": {"createdDate": True, "type": True},
    "lineItems": {
        "id": True,
        "quantity": True,
        "catalogReference": {"catalogItemId": True, "appId": True},
        "productName": _NAME,
        "price": _MONEY,
        "priceBeforeDiscounts": _MONEY,
        "image": {"id": True, "url": True, "height": True, "width": True, "altText": True},
        "physicalProperties": {"weight": True, "sku": True, "shippable": True},
    },
    "appliedDiscounts": {
        "discountType": True,
        "lineItemIds": True,
        "merchantDiscount": {"amount": _MONEY, "percentage": True},
        "discountRule": {"id": True, "name": _NAME, "amount": _MONEY},
    },
}

#: What subscribers must erase, as the lifecycle events name it.
ERASED_FIELDS: Final = ("buyer", "checkout_url", "subject_key", "line_items.options", "coupons")


def erase(entity: bytes) -> bytes:
    """The entity without personal data: buyer, contact, links, free text, coupons, unknown fields.

    Erasing twice is erasing once. The result is compact JSON in ASCII with Wix's order of fields.
    Total: of what can't be read as an object, nothing is kept.
    """
    try:
        kept = _keep(json.loads(entity), _IMPERSONAL)
    except (ValueError, RecursionError):
        kept = None
    return json.dumps(kept if isinstance(kept, dict) else {}, separators=(",", ":")).encode()


def _keep(value: object, allowed: object) -> object:
    if isinstance(value, list):
        return [_keep(item, allowed) for item in value]
    if isinstance(allowed, Mapping):
        if not isinstance(value, dict):
            return None
        return {name: _keep(value[name], allowed[name]) for name in value if name in allowed}
    return None if isinstance(value, dict) else value
