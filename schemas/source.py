"""``wix.abandoned-checkouts.v1``: Wix's domain event, byte for byte, with CloudEvents headers.

Key: abandoned checkout id in lower case. Wix may add fields anywhere; this model names what is
known and keeps the rest. Older payloads have the members' contents under ``…AsJson``.
"""

from __future__ import annotations

from typing import Any, Optional, Union

from pydantic import BaseModel, ConfigDict, Field

#: Headers of every record; ce_time, ce_identity, ce_accountinfo, ce_originatedfrom may be missing.
HEADERS = (
    "ce_specversion",
    "ce_id",
    "ce_type",
    "ce_source",
    "ce_subject",
    "ce_time",
    "content-type",
    "traceparent",
    "ce_instanceid",
    "ce_identity",
    "ce_accountinfo",
    "ce_originatedfrom",
    "ce_receivedtime",
    "ce_origin",
)


class SourceEventV1(BaseModel):
    """The domain event B. Exactly one of the four members is expected."""

    model_config = ConfigDict(extra="allow")

    id: Optional[str] = Field(None, description="Event id, the same on every resend.")
    entityFqdn: Optional[str] = Field(None, description="wix.ecom.v1.abandoned_checkout.")
    slug: Optional[str] = Field(None, description="created, updated, recovered or deleted.")
    entityId: Optional[str] = Field(None, description="Abandoned checkout id.")
    eventTime: Optional[str] = Field(None, description="RFC 3339 UTC, often with microseconds.")
    triggeredByAnonymizeRequest: Optional[bool] = Field(None, description="A privacy request.")
    originatedFrom: Optional[str] = Field(None, description="What triggered the event.")
    entityEventSequence: Optional[Union[str, int]] = Field(
        None, description="Rises with every event of the entity; may be missing."
    )
    createdEvent: Optional[dict[str, Any]] = Field(None, description="{entity}")
    updatedEvent: Optional[dict[str, Any]] = Field(None, description="{currentEntity}")
    actionEvent: Optional[dict[str, Any]] = Field(
        None, description="{body: {abandonedCheckout}}: a recovery."
    )
    deletedEvent: Optional[dict[str, Any]] = Field(
        None, description="Possibly empty, possibly {deletedEntity}."
    )
