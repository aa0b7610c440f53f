"""Parts that several contracts share, and the check that a writer's record must pass.

Readers are tolerant: a field that this release does not know is left out of the model, at any
depth. Writers are not: ``check_written`` refuses it, for the published schema would not tell of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Optional, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Model = TypeVar("Model")

#: RFC 3339 in UTC with exactly three decimals.
Instant = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        description="Instant, RFC 3339 in UTC with milliseconds.",
        examples=["2026-03-14T09:26:53.589Z"],
    ),
]
#: A plain decimal number as a string, never a float and never with an exponent.
DecimalText = Annotated[
    str, Field(pattern=r"^\d+(\.\d+)?$", description="Decimal number as a string.")
]
#: A share or ratio with six decimals.
SixPlaces = Annotated[
    str, Field(pattern=r"^\d+\.\d{6}$", description="Decimal number with six places, as a string.")
]


class Contract(BaseModel):
    """What is on the wire: known fields checked, unknown ones left out, nothing changed later."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class MoneyV1(Contract):
    """An amount with its currency. Never add amounts of different currencies."""

    amount: DecimalText = Field(description="Amount in the currency's main unit.")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.")
    formatted: Optional[str] = Field(description="As Wix shows it to the buyer; null if unknown.")


class NameV1(Contract):
    """A text in the shop's language and in the buyer's."""

    original: Optional[str] = Field(description="In the shop's default language.")
    translated: Optional[str] = Field(description="In the buyer's language.")


def check_written(adapter: TypeAdapter[Model], value: bytes) -> Model:
    """Read a value as a writer's own tests should: nothing converted, nothing unknown or missing.

    Raises:
        ValueError: it is not what the contract says; names each field that is unknown or wrong.
    """
    data = json.loads(value)
    model = adapter.validate_python(data, strict=True)
    whole = adapter.dump_python(model, mode="json", by_alias=True)
    unknown = list(_beyond(data, whole))
    if unknown:
        raise ValueError(f"not in the contract: {', '.join(unknown)}")
    missing = list(_beyond(whole, data))
    if missing:
        raise ValueError(f"left out: {', '.join(missing)}")
    return model


def _beyond(data: Any, known: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401  # JSON
    """Paths of the fields that ``data`` has and ``known`` has not."""
    if isinstance(data, dict) and isinstance(known, dict):
        for name, value in data.items():
            if name in known:
                yield from _beyond(value, known[name], f"{path}.{name}" if path else name)
            else:
                yield f"{path}.{name}" if path else name
    elif isinstance(data, list) and isinstance(known, list):
        for at, (value, kept) in enumerate(zip(data, known)):  # noqa: B905  # equally long by validation
            yield from _beyond(value, kept, f"{path}[{at}]")
