"""``wix.abandoned-checkouts.v1``: Wix's domain event, byte for byte, with CloudEvents headers.

Key: abandoned checkout id in lower case. Headers: ``SOURCE_HEADERS``. Wix may add fields anywhere;
these models name what is known and keep the rest. The member that is present decides the shape, not
the slug. Older payloads have the members' contents under ``…AsJson``, as an object or as JSON text.
"""

from __future__ import annotations

import json
from typing import Any, Optional, Union

from pydantic import Field

from .entity import AbandonedCheckoutV1, WixObject

#: Both spellings of what a member holds: the thing itself, or JSON text of it.
_AsJson = Optional[Union[dict[str, Any], str]]


class CreatedV1(WixObject):
    """A checkout was abandoned."""

    entity: Optional[AbandonedCheckoutV1] = Field(None, description="The entity.")
    entityAsJson: _AsJson = Field(None, description="The older spelling of it.")


class UpdatedV1(WixObject):
    """Something about it changed, such as one more activity."""

    currentEntity: Optional[AbandonedCheckoutV1] = Field(None, description="The entity now.")
    currentEntityAsJson: _AsJson = Field(None, description="The older spelling of it.")
    modifiedFields: Optional[Any] = Field(None, description="What changed, where Wix says so.")


class RecoveredBodyV1(WixObject):
    """The body of the action ``recovered``."""

    abandonedCheckout: Optional[AbandonedCheckoutV1] = Field(None, description="The entity.")


class ActionV1(WixObject):
    """An action: the only one is that the checkout was recovered."""

    body: Optional[RecoveredBodyV1] = Field(None, description="What it is about.")
    bodyAsJson: _AsJson = Field(None, description="The older spelling of it.")


class DeletedV1(WixObject):
    """The checkout was deleted; often empty."""

    deletedEntity: Optional[AbandonedCheckoutV1] = Field(None, description="The entity before.")
    deletedEntityAsJson: _AsJson = Field(None, description="The older spelling of it.")


class SourceEventV1(WixObject):
    """The domain event. Exactly one of the four members is expected."""

    id: Optional[str] = Field(None, description="Event id, the same on every resend.")
    entityFqdn: Optional[str] = Field(None, description="wix.ecom.v1.abandoned_checkout.")
    slug: Optional[str] = Field(None, description="created, updated, recovered or deleted.")
    entityId: Optional[str] = Field(None, description="Abandoned checkout id.")
    eventTime: Optional[str] = Field(None, description="RFC 3339 UTC, often with microseconds.")
    triggeredByAnonymizeRequest: Optional[bool] = Field(
        None, description="A privacy request: overwrite every copy with this entity."
    )
    originatedFrom: Optional[str] = Field(None, description="What triggered the event.")
    entityEventSequence: Optional[Union[int, str]] = Field(
        None,
        description="Number that rises with every event of the entity, an int64 in a string; may "
        "be missing.",
    )
    createdEvent: Optional[CreatedV1] = Field(None, description="Abandoned.")
    updatedEvent: Optional[UpdatedV1] = Field(None, description="Changed.")
    actionEvent: Optional[ActionV1] = Field(None, description="Recovered.")
    deletedEvent: Optional[DeletedV1] = Field(None, description="Deleted.")

    @property
    def entity(self) -> Optional[AbandonedCheckoutV1]:
        """The entity, whatever the member and its spelling; None if the event holds none.

        Raises:
            ValueError: it is spelled as text that is no JSON object.
        """
        if self.createdEvent:
            return self.createdEvent.entity or _entity(self.createdEvent.entityAsJson)
        if self.updatedEvent:
            return self.updatedEvent.currentEntity or _entity(self.updatedEvent.currentEntityAsJson)
        if self.actionEvent:
            body = self.actionEvent.body or _body(self.actionEvent.bodyAsJson)
            return None if body is None else body.abandonedCheckout
        if self.deletedEvent:
            return self.deletedEvent.deletedEntity or _entity(self.deletedEvent.deletedEntityAsJson)
        return None


def read_source(value: bytes) -> SourceEventV1:
    """Read a value of the source topic.

    Raises:
        ValueError: it is no JSON object, or a known field has a type that Wix never sent.
    """
    return SourceEventV1.model_validate(json.loads(value))


def _entity(held: _AsJson) -> Optional[AbandonedCheckoutV1]:
    data = json.loads(held) if isinstance(held, str) else held
    return None if data is None else AbandonedCheckoutV1.model_validate(data)


def _body(held: _AsJson) -> Optional[RecoveredBodyV1]:
    data = json.loads(held) if isinstance(held, str) else held
    return None if data is None else RecoveredBodyV1.model_validate(data)
