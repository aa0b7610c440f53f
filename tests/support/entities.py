"""Abandoned checkouts as Wix sends them: three usual ones, and the largest that there can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

START = datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC)

#: Wix's limits, by its documentation of the entity.
MAX_LINES = 300
MAX_DISCOUNTS = 100
MAX_ACTIVITIES = 20
MAX_EMAIL = 50
MAX_NAME = 100
MAX_COMPANY = 1000


def guid(number: int) -> str:
    return f"{number:08x}-1d2c-4b3a-8f9e-5a6b7c8d9e0f"


def instant(minutes: float, *, digits: str = "milliseconds") -> str:
    value = START + timedelta(minutes=minutes)
    return value.isoformat(timespec=digits).replace("+00:00", "Z")


def price(amount: str, symbol: str, **converted: str) -> dict[str, str]:
    return {"amount": amount, "formattedAmount": f"{symbol}{amount}", **converted}


def guest(*, minutes: float = 0, **changes: Any) -> dict[str, Any]:
    """A guest in Berlin who leaves before typing an e-mail; two lines, one coupon, EUR."""
    return {
        "id": guid(1),
        "createdDate": instant(0),
        "updatedDate": instant(minutes),
        "checkoutId": guid(0x101),
        "cartId": guid(0x102),
        "status": "ABANDONED",
        "buyerLanguage": "de",
        "buyerInfo": {"visitorId": guid(0x103)},
        "currency": "EUR",
        "conversionCurrency": "EUR",
        "totalPrice": price("81.22", "€"),
        "subtotalPrice": price("85.50", "€"),
        "activities": [],
        "checkoutUrl": "http://tassen.example/checkout?checkoutId=0101&currency=EUR",
        "lineItems": [
            {
                "id": "00000000-0000-0000-0000-000000000001",
                "quantity": 2,
                "catalogReference": {
                    "catalogItemId": guid(0x104),
                    "appId": "1380b703-ce81-ff05-f115-39571d94dfcd",
                    "options": {"options": {"Farbe": "Blau"}},
                },
                "productName": {"original": "Mug", "translated": "Tasse"},
                "price": price("30.25", "€"),
                "priceBeforeDiscounts": price("33.00", "€"),
                "descriptionLines": [
                    {
                        "name": {"original": "Colour", "translated": "Farbe"},
                        "colorInfo": {"original": "Blue", "translated": "Blau", "code": "#0000ff"},
                    }
                ],
                "image": {
                    "id": "mug.jpg",
                    "url": "https://static.shop.example/mug.jpg",
                    "height": 600,
                    "width": 800,
                    "altText": "A blue mug",
                },
                "physicalProperties": {"weight": 0.4, "sku": "MUG-BLUE", "shippable": True},
            },
            {
                "id": "00000000-0000-0000-0000-000000000002",
                "quantity": 1,
                "productName": {"original": "Gift wrap", "translated": "Geschenkpapier"},
                "price": price("25.00", "€"),
                "image": "https://static.shop.example/wrap.jpg",
                "physicalProperties": {"shippable": False},
            },
        ],
        "appliedDiscounts": [
            {
                "coupon": {
                    "id": guid(0x105),
                    "code": "SPRING5",
                    "name": "Spring",
                    "amount": price("4.28", "€"),
                },
                "discountType": "GLOBAL",
                "lineItemIds": ["00000000-0000-0000-0000-000000000001"],
            }
        ],
        "somethingThatWixAddedLater": {"kept": True},
        **changes,
    }


def member(*, minutes: float = 0, **changes: Any) -> dict[str, Any]:
    """A member in Brazil who leaves a cart of a shop in USD; known by contact and e-mail."""
    return {
        "id": guid(2),
        "createdDate": instant(60),
        "updatedDate": instant(minutes),
        "checkoutId": "",
        "cartId": guid(0x202),
        "status": "ABANDONED",
        "buyerLanguage": "pt_br",
        "buyerInfo": {
            "memberId": guid(0x203),
            "contactId": guid(0x204),
            "email": "joana@mail.example",
        },
        "contactDetails": {
            "firstName": "Joana",
            "lastName": "Silva",
            "phone": "+55 11 5550-0100",
            "company": "Padaria Silva",
            "vatId": {"id": "000.000.000-00", "type": "CPF"},
        },
        "currency": "USD",
        "conversionCurrency": "BRL",
        "totalPrice": price(
            "120", "$", convertedAmount="612.00", formattedConvertedAmount="R$ 612,00"
        ),
        "subtotalPrice": price(
            "150", "$", convertedAmount="765.00", formattedConvertedAmount="R$ 765,00"
        ),
        "activities": [{"createdDate": instant(61), "type": "SCHEDULED"}],
        "checkoutUrl": "https://bags.example/cart?id=0202",
        "lineItems": [
            {
                "id": "00000000-0000-0000-0000-000000000001",
                "quantity": 1,
                "productName": {"original": "Leather bag", "translated": "Bolsa de couro"},
                "price": price("120", "$"),
                "priceBeforeDiscounts": price("150", "$"),
                "physicalProperties": {"sku": "BAG-1", "shippable": True},
            }
        ],
        "appliedDiscounts": [
            {
                "discountRule": {
                    "id": guid(0x205),
                    "name": {"original": "Members", "translated": "Membros"},
                    "amount": price("30", "$"),
                },
                "discountType": "SPECIFIC_ITEMS",
                "lineItemIds": ["00000000-0000-0000-0000-000000000001"],
            }
        ],
        **changes,
    }


def tokyo(*, minutes: float = 0, **changes: Any) -> dict[str, Any]:
    """A guest in Tokyo; JPY has no decimals."""
    return {
        "id": guid(3),
        "createdDate": instant(120),
        "updatedDate": instant(minutes),
        "checkoutId": guid(0x301),
        "status": "ABANDONED",
        "buyerLanguage": "ja",
        "buyerInfo": {"visitorId": guid(0x303), "email": "hanako@mail.example"},
        "contactDetails": {"firstName": "花子", "lastName": "山田"},
        "currency": "JPY",
        "totalPrice": price("4800", "¥"),
        "subtotalPrice": price("4800", "¥"),
        "checkoutUrl": "https://kami.example/checkout?checkoutId=0301",
        "lineItems": [
            {
                "id": "00000000-0000-0000-0000-000000000001",
                "quantity": 3,
                "productName": {"original": "和紙"},
                "price": price("1600", "¥"),
            }
        ],
        **changes,
    }


def largest(*, minutes: float = 0) -> dict[str, Any]:
    """An outfitter of hotels fills a cart to the limit: every list and every text is full."""
    return {
        "id": guid(6),
        "createdDate": instant(1000),
        "updatedDate": instant(minutes),
        "checkoutId": guid(0x601),
        "cartId": guid(0x602),
        "status": "ABANDONED",
        "buyerLanguage": "zh-hant-tw",
        "buyerInfo": {
            "memberId": guid(0x603),
            "contactId": guid(0x604),
            "email": "purchasing.department@grand-hotel-bellevue.example",
        },
        "contactDetails": {
            "firstName": filled("Maximiliane Sophie Charlotte Henriette ", MAX_NAME),
            "lastName": filled("von Hohenfels-Oberweiler zu Bergheim ", MAX_NAME),
            "phone": "+49 30 5550 0100 ext. 12345",
            "company": filled("Grand Hotel Bellevue Betriebsgesellschaft & Co. KG ", MAX_COMPANY),
            "vatId": {"id": "00.000.000/0000-00", "type": "CNPJ"},
        },
        "currency": "EUR",
        "conversionCurrency": "TWD",
        "totalPrice": both("305104.00"),
        "subtotalPrice": both("310104.00"),
        "activities": [
            {"createdDate": instant(1000 + number / 30), "type": "TASK_CREATED"}
            for number in range(MAX_ACTIVITIES)
        ],
        "checkoutUrl": f"https://hotel.example/checkout?checkoutId={guid(0x601)}&currency=TWD",
        "lineItems": [line(number) for number in range(1, MAX_LINES + 1)],
        "appliedDiscounts": [
            {
                "coupon": {
                    "id": guid(0x650),
                    "code": f"HOTEL-{number:03d}",
                    "name": "Outfitters of hotels",
                    "amount": both("50.00"),
                },
                "discountType": "SPECIFIC_ITEMS",
                "lineItemIds": [line_id(3 * number + step) for step in (1, 2, 3)],
            }
            for number in range(MAX_DISCOUNTS)
        ],
    }


def line(number: int) -> dict[str, Any]:
    unit = f"{10 + number % 20}.00"
    return {
        "id": line_id(number),
        "quantity": 50 + number % 7,
        "catalogReference": {
            "catalogItemId": guid(0x10000 + number),
            "appId": "1380b703-ce81-ff05-f115-39571d94dfcd",
            "options": {"options": {"Colour": "Ivory", "Size": "King"}},
        },
        "productName": {"original": f"Bed linen no. {number}", "translated": f"床單 {number} 號"},
        "price": both(unit),
        "priceBeforeDiscounts": both(unit),
        "descriptionLines": [
            {
                "name": {"original": "Colour", "translated": "顏色"},
                "colorInfo": {"original": "Ivory", "translated": "象牙色", "code": "#fffff0"},
            },
            {
                "name": {"original": "Size", "translated": "尺寸"},
                "plainText": {"original": "King", "translated": "特大"},
            },
        ],
        "image": {
            "id": f"linen-{number}.jpg",
            "url": f"https://static.shop.example/linen-{number}.jpg",
            "height": 3000,
            "width": 4000,
            "altText": f"Bed linen no. {number}, folded",
        },
        "physicalProperties": {"weight": 2.25, "sku": f"LINEN-{number:04d}", "shippable": True},
    }


def line_id(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


def both(amount: str) -> dict[str, str]:
    converted = f"{Decimal(amount) * 36}"
    return price(amount, "€", convertedAmount=converted, formattedConvertedAmount=f"NT${converted}")


def filled(text: str, length: int) -> str:
    """The text again and again, up to exactly that length."""
    whole = (text * (length // len(text) + 1))[:length]
    return whole if whole[-1] != " " else whole[:-1] + "."
