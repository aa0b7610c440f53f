"""Parts that several contracts share."""

from __future__ import annotations

from typing import Annotated, Optional

from pydantic import BaseModel, ConfigDict, Field

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


class Strict(BaseModel):
    """What we write: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Money(Strict):
    """An amount with its currency. Never add amounts of different currencies."""

    amount: DecimalText = Field(description="Amount in the currency's main unit.")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.")
    formatted: Optional[str] = Field(description="As Wix shows it to the buyer; null if unknown.")


class Name(Strict):
    """A text in the shop's language and in the buyer's."""

    original: Optional[str] = Field(description="In the shop's default language.")
    translated: Optional[str] = Field(description="In the buyer's language.")
