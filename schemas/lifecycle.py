"""``checkout-recovery.events.v1``: what became of a checkout, once and in order.

Key: abandoned checkout id. Every key of a value is always present, null when unknown. Writers are
strict; readers use ``read_lifecycle``, which survives unknown fields and unknown types.
"""

from __future__ import annotations

import json
import uuid
from typing import Annotated, Literal, Optional, Union

from pydantic import Field, TypeAdapter

from .common import Contract, DecimalText, Instant, MoneyV1, NameV1, check_written

#: Committed for ever: the ids of all lifecycle events are made in it.
NAMESPACE = uuid.UUID("8f5d2c1e-6a0b-5c47-9b7e-3d1f0c9a2e64")


class BuyerV1(Contract):
    """Who left. All null after an erasure."""

    kind: Optional[Literal["member", "visitor", "user"]] = Field(
        description="member of the site, anonymous visitor, or user: owner or collaborator."
    )
    id: Optional[str] = Field(description="Wix's id of the member, visitor or user.")
    contact_id: Optional[str] = Field(description="Wix's id of the contact in the shop's CRM.")
    email: Optional[str] = Field(description="E-mail address as typed.")
    phone: Optional[str] = Field(description="Phone number as typed.")
    first_name: Optional[str] = Field(description="First name as typed.")
    last_name: Optional[str] = Field(description="Last name as typed.")
    company: Optional[str] = Field(description="Company as typed.")


class OptionV1(Contract):
    """A choice that describes a line item, such as size or colour."""

    name: NameV1 = Field(description="What is chosen.")
    value: NameV1 = Field(description="The choice.")


class ImageV1(Contract):
    """A picture of a line item."""

    url: Optional[str] = Field(description="Address, https.")
    width: Optional[int] = Field(description="In pixels.")
    height: Optional[int] = Field(description="In pixels.")
    alt_text: Optional[str] = Field(description="Alternative text.")


class LineItemV1(Contract):
    """A line of the cart."""

    id: Optional[str] = Field(description="Wix's id of the line.")
    quantity: Optional[int] = Field(description="Number of units.")
    catalog_item_id: Optional[str] = Field(description="Id of the item in its catalog.")
    catalog_app_id: Optional[str] = Field(description="Id of the app that owns the catalog.")
    sku: Optional[str] = Field(description="Stock-keeping unit.")
    name: NameV1 = Field(description="Name of the item.")
    options: list[OptionV1] = Field(description="Choices, such as size or colour.")
    unit_price: Optional[MoneyV1] = Field(description="Of one unit, after discounts of the line.")
    unit_price_before_discounts: Optional[MoneyV1] = Field(
        description="Of one unit, before discounts of the line."
    )
    line_total: Optional[MoneyV1] = Field(description="unit_price times quantity.")
    image: Optional[ImageV1] = Field(description="Picture.")
    shippable: Optional[bool] = Field(description="Whether it is shipped.")


class DiscountV1(Contract):
    """Something that was taken off."""

    kind: Optional[Literal["coupon", "merchant", "rule"]] = Field(description="Where it is from.")
    code: Optional[str] = Field(description="Coupon code.")
    name: Optional[str] = Field(description="Name of the coupon or rule.")
    amount: Optional[MoneyV1] = Field(description="What it takes off.")
    percentage: Optional[DecimalText] = Field(
        description="Percent that it takes off, as in 12.5; null if it is an amount."
    )
    scope: Optional[str] = Field(description="GLOBAL, SPECIFIC_ITEMS or SHIPPING.")
    line_item_ids: list[str] = Field(description="Lines that it applies to.")


class ActivityV1(Contract):
    """Something that Wix Automations did."""

    type: Optional[str] = Field(description="SCHEDULED, EMAIL_SENT …; new types will come.")
    occurred_at: Optional[Instant] = Field(description="When it was done.")


class AutomationV1(Contract):
    """What Wix Automations did about the checkout."""

    activities: list[ActivityV1] = Field(description="In Wix's order.")
    is_scheduled: bool = Field(description="Its newest act is a schedule: a message will come.")
    messages_sent: int = Field(description="Number of e-mails and notifications that were sent.")
    last_message_at: Optional[Instant] = Field(description="When the last one was sent.")


class TouchV1(Contract):
    """A message that reached the buyer."""

    type: str = Field(description="EMAIL_SENT or NOTIFICATION_SENT.")
    occurred_at: Instant = Field(description="When it was sent.")
    seconds_before_recovery: int = Field(ge=0, description="Seconds from it to the recovery.")


class _Common(Contract):
    schema_version: Literal[1] = Field(description="Version of this contract.")
    event_id: str = Field(description="Equal ids mean equal bytes: remember it to skip repeats.")
    occurred_at: Instant = Field(description="When it happened at the shop.")
    recorded_at: Instant = Field(description="When we received the news.")
    origin: Literal["webhook", "backfill", "replay", "operator"] = Field(
        description="How the news came to us."
    )
    revision: int = Field(
        ge=1, description="Number of the event among those of this checkout, from 1."
    )
    source_event_id: str = Field(description="Wix's id of the event that led to this one.")
    abandoned_checkout_id: str = Field(description="The checkout; also the record's key.")
    instance_id: str = Field(description="The site: the app's installation on it.")
    site_id: Optional[str] = Field(description="Wix's own id of the site.")
    account_id: Optional[str] = Field(description="Wix's id of the site's account.")
    status: Optional[str] = Field(description="ABANDONED or RECOVERED.")
    stage: Optional[Literal["cart", "checkout"]] = Field(description="How far the buyer came.")
    is_staff: Optional[bool] = Field(description="The buyer is the site's owner or collaborator.")
    abandoned_at: Optional[Instant] = Field(description="When the buyer left.")
    checkout_id: Optional[str] = Field(description="Wix's id of the checkout; joins to orders.")
    cart_id: Optional[str] = Field(description="Wix's id of the cart.")
    buyer: BuyerV1 = Field(description="Who left.")
    reachable_by: list[Literal["email", "phone", "contact"]] = Field(
        description="Ways to reach the buyer."
    )
    subject_key: Optional[str] = Field(
        description="One key for one person, for frequency caps: contact, else member or visitor."
    )
    language: Optional[str] = Field(description="The buyer's language, BCP 47.")
    wix_language: Optional[str] = Field(description="The same as Wix sent it.")
    total: Optional[MoneyV1] = Field(description="After discounts, gift cards and tax.")
    subtotal: Optional[MoneyV1] = Field(description="Before discounts and tax.")
    converted_total: Optional[MoneyV1] = Field(description="total in the buyer's currency.")
    converted_subtotal: Optional[MoneyV1] = Field(description="subtotal in the buyer's currency.")
    checkout_url: Optional[str] = Field(
        pattern="^https://", description="Link back to the checkout; null: start no campaign."
    )
    line_items: list[LineItemV1] = Field(description="What was in the cart.")
    item_count: int = Field(ge=0, description="Number of units in the cart.")
    discounts: list[DiscountV1] = Field(description="What was taken off.")
    automation: AutomationV1 = Field(description="What Wix Automations did.")


class CheckoutAbandonedV1(_Common):
    """A buyer left. At most once for a checkout."""

    type: Literal["checkout.abandoned"] = Field(description="Type of the event.")
    expires_at: Optional[Instant] = Field(description="Start no campaign after it.")


class CheckoutChangedV1(_Common):
    """Something that matters to a campaign changed while the checkout is open."""

    type: Literal["checkout.changed"] = Field(description="Type of the event.")
    changed_fields: list[Literal["buyer", "checkout_url", "total", "line_items"]] = Field(
        min_length=1, description="Which fields differ from before."
    )


class CheckoutRecoveredV1(_Common):
    """The buyer bought. Once for a checkout; stop the campaign."""

    type: Literal["checkout.recovered"] = Field(description="Type of the event.")
    recovered_at: Optional[Instant] = Field(description="When the buyer bought.")
    time_to_recovery_seconds: Optional[int] = Field(
        ge=0, description="Seconds from abandonment to recovery."
    )
    recovered_total: Optional[MoneyV1] = Field(
        description="The cart's value at recovery; not the order's revenue."
    )
    was_announced_abandoned: bool = Field(description="Whether you were told that it was left.")
    last_touch: Optional[TouchV1] = Field(description="The last message before; null: none known.")


class CheckoutAnonymizedV1(_Common):
    """Wix removed a person's data. Erase yours; keep only the map from checkout to profile."""

    type: Literal["checkout.anonymized"] = Field(description="Type of the event.")
    erased_fields: list[str] = Field(description="What must be erased.")


class CheckoutDeletedV1(_Common):
    """The checkout was deleted at Wix. Stop the campaign and erase."""

    type: Literal["checkout.deleted"] = Field(description="Type of the event.")


Event = Union[
    CheckoutAbandonedV1,
    CheckoutChangedV1,
    CheckoutRecoveredV1,
    CheckoutAnonymizedV1,
    CheckoutDeletedV1,
]
#: The discriminated union: ``type`` decides.
LifecycleEventV1 = Annotated[Event, Field(discriminator="type")]
LIFECYCLE: TypeAdapter[Event] = TypeAdapter(LifecycleEventV1)

#: The types that this release knows.
EVENT_TYPES = (
    "checkout.abandoned",
    "checkout.changed",
    "checkout.recovered",
    "checkout.anonymized",
    "checkout.deleted",
)


def event_id(abandoned_checkout_id: str, event_type: str, discriminator: str = "") -> str:
    """The id of a lifecycle event; the discriminator is empty except for ``checkout.changed``."""
    return str(uuid.uuid5(NAMESPACE, f"{abandoned_checkout_id}|{event_type}|{discriminator}"))


def read_lifecycle(value: bytes) -> Optional[Event]:
    """Read a value as a subscriber should: unknown fields are left out, at any depth.

    None for a type that this release does not know: skip it, it is for later releases.

    Raises:
        ValueError: the value is no lifecycle event.
    """
    data = json.loads(value)
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        raise ValueError("not a lifecycle event: it has no type")  # noqa: TRY004  # a value from outside
    if data["type"] not in EVENT_TYPES:
        return None
    return LIFECYCLE.validate_python(data)


def check_lifecycle(value: bytes) -> Event:
    """Read a value as a writer's tests should; see ``check_written``.

    Raises:
        ValueError: the value is not exactly as the contract says.
    """
    return check_written(LIFECYCLE, value)
