"""AbandonedCheckout as Wix means it. Every field may be missing; unknown ones are kept.

Types are those that Wix documents, and the others that were seen. Names are Wix's.
"""

from __future__ import annotations

from typing import Any, Optional, Union

from pydantic import BaseModel, ConfigDict, Field


class WixObject(BaseModel):
    """Something of Wix's: nothing is required, nothing is lost."""

    model_config = ConfigDict(extra="allow", frozen=True)


class PriceV1(WixObject):
    """MultiCurrencyPrice: an amount in the shop's currency and in the buyer's."""

    amount: Optional[str] = Field(
        None, description="Decimal string in the main unit of the shop's currency."
    )
    convertedAmount: Optional[str] = Field(
        None, description="Decimal string in the main unit of conversionCurrency."
    )
    formattedAmount: Optional[str] = Field(None, description="amount as the shop shows it.")
    formattedConvertedAmount: Optional[str] = Field(
        None, description="convertedAmount as the shop shows it."
    )


class TranslatableV1(WixObject):
    """A text in the shop's language and in the buyer's."""

    original: Optional[str] = Field(None, description="In the shop's default language.")
    translated: Optional[str] = Field(None, description="In the buyer's language.")


class BuyerInfoV1(WixObject):
    """Who left; one of visitorId, memberId, userId."""

    visitorId: Optional[str] = Field(None, description="Anonymous visitor.")
    memberId: Optional[str] = Field(None, description="Member of the site.")
    userId: Optional[str] = Field(None, description="The site's owner or a collaborator.")
    contactId: Optional[str] = Field(None, description="Contact in the shop's CRM.")
    email: Optional[str] = Field(None, description="E-mail as typed; guests may leave before it.")


class VatIdV1(WixObject):
    """Brazilian tax number of the buyer."""

    id: Optional[str] = Field(None, description="The number.")
    type: Optional[str] = Field(None, description="UNSPECIFIED, CPF or CNPJ.")


class ContactDetailsV1(WixObject):
    """What the buyer typed about themselves."""

    firstName: Optional[str] = Field(None, description="First name.")
    lastName: Optional[str] = Field(None, description="Last name.")
    phone: Optional[str] = Field(None, description="Phone number.")
    company: Optional[str] = Field(None, description="Company.")
    vatId: Optional[VatIdV1] = Field(None, description="Tax number.")


class ActivityV1(WixObject):
    """Something that Wix Automations did about the checkout."""

    createdDate: Optional[str] = Field(None, description="When, RFC 3339.")
    type: Optional[str] = Field(
        None, description="SCHEDULED, EMAIL_SENT, NOTIFICATION_SENT …; new types will come."
    )


class CatalogReferenceV1(WixObject):
    """Which catalog item a line is of."""

    catalogItemId: Optional[str] = Field(None, description="Id of the item in its catalog.")
    appId: Optional[str] = Field(None, description="App that owns the catalog.")
    options: Optional[dict[str, Any]] = Field(None, description="Free JSON of that app.")


class PhysicalPropertiesV1(WixObject):
    """What matters to a parcel."""

    weight: Optional[Union[float, str]] = Field(None, description="In the shop's unit of weight.")
    sku: Optional[str] = Field(None, description="Stock-keeping unit.")
    shippable: Optional[bool] = Field(None, description="Whether it is shipped.")


class ImageV1(WixObject):
    """A picture, in its REST form."""

    id: Optional[str] = Field(None, description="Id in Wix's media manager.")
    url: Optional[str] = Field(None, description="Address.")
    height: Optional[int] = Field(None, description="In pixels.")
    width: Optional[int] = Field(None, description="In pixels.")
    altText: Optional[str] = Field(None, description="Alternative text.")


class LineItemV1(WixObject):
    """A line of the cart; prices are of one unit."""

    id: Optional[str] = Field(None, description="Id of the line.")
    quantity: Optional[int] = Field(None, description="Number of units.")
    catalogReference: Optional[CatalogReferenceV1] = Field(None, description="The item.")
    productName: Optional[TranslatableV1] = Field(None, description="Name of the item.")
    price: Optional[PriceV1] = Field(None, description="After catalog and line discounts.")
    priceBeforeDiscounts: Optional[PriceV1] = Field(None, description="Before them.")
    descriptionLines: Optional[list[dict[str, Any]]] = Field(
        None, description="Choices, such as size or colour."
    )
    image: Optional[Union[ImageV1, str]] = Field(
        None, description="An object in REST, an address in the SDK."
    )
    physicalProperties: Optional[PhysicalPropertiesV1] = Field(None, description="For parcels.")


class AppliedDiscountV1(WixObject):
    """One of coupon, merchantDiscount, discountRule."""

    coupon: Optional[dict[str, Any]] = Field(None, description="A coupon code of the buyer's.")
    merchantDiscount: Optional[dict[str, Any]] = Field(None, description="Given by the merchant.")
    discountRule: Optional[dict[str, Any]] = Field(None, description="A rule of the shop.")
    discountType: Optional[str] = Field(None, description="GLOBAL, SPECIFIC_ITEMS or SHIPPING.")
    lineItemIds: Optional[list[str]] = Field(None, description="Lines that it applies to.")


class AbandonedCheckoutV1(WixObject):
    """The entity."""

    id: Optional[str] = Field(None, description="Abandoned checkout id, a GUID.")
    createdDate: Optional[str] = Field(None, description="When it was abandoned, RFC 3339.")
    updatedDate: Optional[str] = Field(None, description="Last change, RFC 3339.")
    checkoutId: Optional[str] = Field(None, description="GUID; empty: abandoned in the cart.")
    cartId: Optional[str] = Field(None, description="GUID.")
    status: Optional[str] = Field(None, description="ABANDONED or RECOVERED.")
    buyerLanguage: Optional[str] = Field(None, description="The buyer's language.")
    buyerInfo: Optional[BuyerInfoV1] = Field(None, description="Who left.")
    contactDetails: Optional[ContactDetailsV1] = Field(None, description="What they typed.")
    currency: Optional[str] = Field(None, description="The shop's, ISO 4217.")
    conversionCurrency: Optional[str] = Field(None, description="The buyer's, ISO 4217.")
    totalPrice: Optional[PriceV1] = Field(None, description="After discounts, gift cards and tax.")
    subtotalPrice: Optional[PriceV1] = Field(None, description="Before discounts and tax.")
    activities: Optional[list[ActivityV1]] = Field(None, description="Of automations; up to 20.")
    checkoutRecoveredDate: Optional[str] = Field(
        None, description="When it was recovered, RFC 3339; may be missing on a RECOVERED one."
    )
    checkoutUrl: Optional[str] = Field(None, description="Link back to it, often http.")
    lineItems: Optional[list[LineItemV1]] = Field(None, description="The cart; up to 300.")
    appliedDiscounts: Optional[list[AppliedDiscountV1]] = Field(None, description="Up to 100.")
