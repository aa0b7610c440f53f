"""The envelope of a webhook: the event B as a string inside the envelope A, as Wix writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from streams.demo.simulator.checkouts import SimulatedCheckout
    from streams.demo.simulator.shops import Shop

_FQDN: Final = "wix.ecom.v1.abandoned_checkout"
#: Wix's own strings are compact, and spell non-ASCII letters out.
_COMPACT: Final = (",", ":")
_NUMBER, _TEXT = 0.05, 0.90


def write_event(  # the parts of an event
    checkout: SimulatedCheckout,
    *,
    at: datetime,
    slug: str,
    event_id: str,
    random: Random,
    is_anonymize: bool = False,
) -> str:
    """The event B. Its sequence is text mostly, now and then a number, and may be missing."""
    members: dict[str, dict[str, Any]] = {
        "created": {"createdEvent": {"entity": checkout.entity()}},
        "updated": {"updatedEvent": {"currentEntity": checkout.entity()}},
        "recovered": {"actionEvent": {"body": {"abandonedCheckout": checkout.entity()}}},
        "deleted": {"deletedEvent": {}},
    }
    draw = random.random()
    sequence: dict[str, Any] = {}
    if draw < _TEXT + _NUMBER:
        number = checkout.sequence
        sequence = {"entityEventSequence": number if draw < _NUMBER else str(number)}
    return _dump(
        {
            "id": event_id,
            "entityFqdn": _FQDN,
            "slug": slug,
            "entityId": checkout.id,
            **members[slug],
            "eventTime": microseconds(at),
            "triggeredByAnonymizeRequest": is_anonymize,
            **sequence,
        }
    )


def write_broken_event(checkout: SimulatedCheckout, *, at: datetime, event_id: str) -> str:
    """An event that nobody can read: Wix has changed the type of a field without notice."""
    entity = {**checkout.entity(), "createdDate": {"seconds": int(checkout.created_at.timestamp())}}
    return _dump(
        {
            "id": event_id,
            "entityFqdn": _FQDN,
            "slug": "updated",
            "entityId": checkout.id,
            "updatedEvent": {"currentEntity": entity},
            "eventTime": microseconds(at),
            "triggeredByAnonymizeRequest": False,
        }
    )


def write_other_event(shop: Shop, *, at: datetime, event_id: str, order_id: str) -> str:
    """An event of another type: apps that use one address for all of theirs receive such, too."""
    return _dump(
        {
            "id": event_id,
            "entityFqdn": "wix.ecom.v1.order",
            "slug": "approved",
            "entityId": order_id,
            "actionEvent": {"body": {"order": {"id": order_id, "currency": shop.currency}}},
            "eventTime": microseconds(at),
            "triggeredByAnonymizeRequest": False,
        }
    )


def write_envelope(
    shop: Shop,
    event: str,
    *,
    event_type: str,
    buyer: dict[str, Any],
    is_nameless: bool = False,
) -> str:
    """The envelope A, which the token's claim ``data`` holds as a string.

    ``is_nameless``: it does not say which site it comes from, so nobody can use it.
    """
    return _dump(
        {
            "data": event,
            **({} if is_nameless else {"instanceId": shop.instance_id}),
            "eventType": event_type,
            "identity": _dump(_identity(buyer)),
            "accountInfo": {"accountId": shop.account_id, "siteId": shop.site_id},
        }
    )


def event_type_of(slug: str) -> str:
    """The event type that Wix gives a slug of ours."""
    return f"{_FQDN}_{slug}"


def microseconds(at: datetime) -> str:
    """An event's time."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


def _identity(buyer: dict[str, Any]) -> dict[str, Any]:
    if "memberId" in buyer:
        return {"identityType": "MEMBER", "memberId": buyer["memberId"]}
    if "userId" in buyer:
        return {"identityType": "WIX_USER", "wixUserId": buyer["userId"]}
    if "visitorId" in buyer:
        return {"identityType": "ANONYMOUS_VISITOR", "anonymousVisitorId": buyer["visitorId"]}
    return {"identityType": "APP"}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=_COMPACT)
