"""A tolerant reading of the AbandonedCheckout entity, for what is published of it.

Every field may be missing, null or of a type that Wix never announced; such a field reads as
missing, never as an error: the entity itself was accepted when it was read for the law.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Final

import orjson

from streams.adapters.instants import format_instant, read_instant
from streams.domain.money import plain_amount, read_currency

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")

Json = Mapping[str, object]
EMPTY: Final[Json] = {}


def read_entity(entity: bytes | None) -> Json:
    """The entity as a mapping; empty where there is none.

    What orjson refuses, such as a number beyond floats, costs that field and no other.
    """
    if entity is None:
        return EMPTY
    try:
        value = orjson.loads(entity)
    except orjson.JSONDecodeError:
        value = _read_leniently(entity)
    return value if isinstance(value, dict) else EMPTY


def _read_leniently(entity: bytes) -> object:
    try:
        value = json.loads(
            entity.decode("utf-8", "replace"),
            parse_float=_finite,
            parse_constant=lambda _name: None,
        )
        return orjson.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def text(source: Json, name: str) -> str | None:
    """A string that is not empty; numbers as text, for some ids were numbers once."""
    value = source.get(name)
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def part(source: Json, name: str) -> Json:
    """An object inside, or an empty one."""
    value = source.get(name)
    return value if isinstance(value, dict) else EMPTY


def parts(source: Json, name: str) -> list[Json]:
    """The objects of a list inside, or none."""
    value = source.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def number(source: Json, name: str) -> int | None:
    """A whole number."""
    value = source.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def flag(source: Json, name: str) -> bool | None:
    """True or false."""
    value = source.get(name)
    return value if isinstance(value, bool) else None


def instant(source: Json, name: str) -> str | None:
    """An instant in the form that we publish."""
    try:
        value = read_instant(text(source, name))
    except ValueError:
        return None
    return None if value is None else format_instant(value)


def language(source: Json, name: str) -> str | None:
    """A BCP 47 tag: ``pt_br`` becomes ``pt-BR``; None of what is none."""
    value = text(source, name)
    if value is None or not _LANGUAGE.fullmatch(value):
        return None
    tag, *subtags = value.replace("_", "-").split("-")
    shaped = [
        sub.upper() if len(sub) == 2 else sub.title() if len(sub) == 4 else sub.lower()  # noqa: PLR2004  # region, script: RFC 5646 §2.1.1
        for sub in subtags
    ]
    return "-".join((tag.lower(), *shaped))


def money(source: Json, currency: str | None, *, converted: bool = False) -> Json | None:
    """An amount with its own currency and Wix's own formatting; None where either is missing."""
    amount = plain_amount(source.get("convertedAmount" if converted else "amount"))
    code = read_currency(currency)
    if amount is None or code is None:
        return None
    return {
        "amount": amount,
        "currency": code,
        "formatted": text(source, "formattedConvertedAmount" if converted else "formattedAmount"),
    }
