"""``checkout-recovery.conversion.v1``: a site's rates over all windows.

Key: instance id; the highest offset of a key is the newest. A window is the half-open interval
[from, to); ``to`` is the end of the bucket of ``as_of`` (5 minutes wide for windows up to 24 h,
an hour for longer ones). A rate is null, not 0, when nothing was abandoned.
"""

from __future__ import annotations

import json
from typing import Literal, Optional

from pydantic import Field, TypeAdapter

from .common import Contract, DecimalText, Instant, SixPlaces, check_written


class ShareV1(Contract):
    """How many of the abandoned recovered, with a 95 % Wilson interval."""

    abandoned: int = Field(ge=0, description="Number of checkouts that were abandoned.")
    recovered: int = Field(ge=0, description="Number of these that recovered.")
    rate: Optional[SixPlaces] = Field(
        description="recovered / abandoned, a share from 0 to 1; null if none was abandoned."
    )
    low: Optional[SixPlaces] = Field(
        description="Lower bound of the interval, a share from 0 to 1; null as the rate is."
    )
    high: Optional[SixPlaces] = Field(
        description="Upper bound of the interval, a share from 0 to 1; null as the rate is."
    )


class MaturedV1(ShareV1):
    """The headline: of those abandoned a horizon ago, the share recovered within the horizon."""

    start: Instant = Field(alias="from", description="First instant of the matured window.")
    stop: Instant = Field(alias="to", description="End of the matured window, excluded.")


class SegmentV1(Contract):
    """The shares of one kind of checkouts."""

    cohort: ShareV1 = Field(description="Recovered so far; young checkouts pull it down.")
    matured: MaturedV1 = Field(description="Each had its time.")


class FlowV1(Contract):
    """Each counted by its own date; the naive rolling rate, may exceed 1."""

    abandoned: int = Field(ge=0, description="Number of abandonments dated in the window.")
    recovered: int = Field(ge=0, description="Number of recoveries dated in the window.")
    ratio: Optional[SixPlaces] = Field(
        description="recovered / abandoned, a ratio from 0 up; null if nothing was abandoned."
    )


class StagesV1(Contract):
    """Carts and checkouts, apart."""

    cart: SegmentV1 = Field(description="A member left a cart.")
    checkout: SegmentV1 = Field(description="The checkout was begun.")


class ValueV1(Contract):
    """Value of the cohort in one currency; recovered + open = abandoned."""

    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.")
    abandoned: DecimalText = Field(
        description="Latest known totals of all checkouts, in the currency's main unit."
    )
    recovered: DecimalText = Field(
        description="Of those recovered so far, in the currency's main unit."
    )
    open: DecimalText = Field(description="Of the others, in the currency's main unit.")
    checkouts: int = Field(ge=0, description="Number of checkouts with a usable total.")


class RecoveryTimesV1(Contract):
    """Time to recovery of the recoveries dated in the window."""

    count: int = Field(ge=0, description="Number of recoveries with a known abandonment.")
    p50_seconds: Optional[int] = Field(description="Median, in seconds; null if there is none.")
    p90_seconds: Optional[int] = Field(
        description="90th percentile, in seconds; null if there is none."
    )
    p99_seconds: Optional[int] = Field(
        description="99th percentile, in seconds; null if there is none."
    )
    relative_error: str = Field(
        description="A percentile is at most this share too low, a share from 0 to 1."
    )


class CountsV1(Contract):
    """Counts of the window before."""

    abandoned: int = Field(ge=0, description="Number of abandonments.")
    recovered: int = Field(ge=0, description="Number of recoveries.")


class PreviousV1(Contract):
    """The window before this one."""

    start: Instant = Field(alias="from", description="First instant.")
    stop: Instant = Field(alias="to", description="End, excluded.")
    flow: CountsV1 = Field(description="Each counted by its own date.")
    cohort: CountsV1 = Field(description="Recovered so far.")


class WindowV1(Contract):
    """The rates of one window."""

    window: str = Field(description="Length, a number of hours or days: 1h, 24h, 7d, 30d.")
    start: Instant = Field(alias="from", description="First instant.")
    stop: Instant = Field(alias="to", description="End, excluded.")
    horizon: str = Field(description="Time a checkout has in the matured rate, as in 7d.")
    flow: FlowV1 = Field(description="Naive rolling rate.")
    cohort: ShareV1 = Field(description="Recovered so far, of those abandoned in the window.")
    matured: MaturedV1 = Field(description="The recovery rate.")
    by_stage: StagesV1 = Field(description="By how far the buyer came.")
    reachable: SegmentV1 = Field(description="Buyers with an e-mail, phone or contact.")
    unreachable: SegmentV1 = Field(description="Buyers with none of these.")
    touched: SegmentV1 = Field(
        description="Buyers who got a message before recovering. Not causal: who recovers early "
        "gets fewer messages."
    )
    untouched: SegmentV1 = Field(description="Buyers who got none.")
    money: list[ValueV1] = Field(description="Per currency, never added.")
    time_to_recovery: RecoveryTimesV1 = Field(description="How long recoveries took.")
    previous: Optional[PreviousV1] = Field(description="Null where buckets are not kept so long.")


class PositionV1(Contract):
    """What is counted: facts up to and with this one."""

    topic: str = Field(description="The internal facts topic.")
    partition: int = Field(ge=0, description="Number of its partition, from 0.")
    offset: int = Field(
        ge=0, description="Offset of the last fact or tick counted, a number from 0."
    )


class ConversionV1(Contract):
    """The record."""

    schema_version: Literal[1] = Field(description="Version of this contract.")
    definitions_version: Literal[1] = Field(description="Version of the definitions of the rates.")
    instance_id: str = Field(description="The site; also the record's key.")
    site_id: Optional[str] = Field(description="Wix's own id of the site.")
    as_of: Instant = Field(description="The newest instant that the counts know of.")
    computed_at: Instant = Field(description="Log time of the fact or tick that led to it.")
    facts_position: PositionV1 = Field(description="What is counted.")
    excluded_staff: int = Field(
        ge=0,
        description="Number of checkouts of staff in the longest window: left out of everything.",
    )
    unpriced: int = Field(
        ge=0, description="Number of checkouts in the longest window without a usable total."
    )
    windows: list[WindowV1] = Field(description="Shortest first.")


_CONVERSION: TypeAdapter[ConversionV1] = TypeAdapter(ConversionV1)


def read_conversion(value: bytes) -> ConversionV1:
    """Read a value as a subscriber should: unknown fields are left out, at any depth.

    Raises:
        ValueError: the value is no conversion record.
    """
    return _CONVERSION.validate_python(json.loads(value))


def check_conversion(value: bytes) -> ConversionV1:
    """Read a value as a writer's tests should; see ``check_written``.

    Raises:
        ValueError: the value is not exactly as the contract says.
    """
    return check_written(_CONVERSION, value)
