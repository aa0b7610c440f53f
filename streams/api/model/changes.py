"""Names what an event changed in the answer for a checkout; never values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.adapters.entity import part

if TYPE_CHECKING:
    from streams.adapters.entity import Json

#: Parts whose fields are named one by one.
_PARTS: Final = frozenset({"buyerInfo", "contactDetails", "totalPrice", "subtotalPrice"})
_LONGEST: Final = 100
_MOST: Final = 100


def changed_names(before: Json, after: Json) -> list[str]:
    """The fields that differ, in alphabetical order: ``buyerInfo.email``, ``lineItems``.

    At most 100 of at most 100 characters: an entity may have any number of unknown fields.
    """
    names: list[str] = []
    for name in before.keys() | after.keys():
        if before.get(name) == after.get(name):
            continue
        if name in _PARTS:
            one, other = part(before, name), part(after, name)
            inside = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
            names.extend(f"{name}.{key}" for key in inside)
            if inside:
                continue
        names.append(name)
    return [name[:_LONGEST] for name in sorted(names)[:_MOST]]
