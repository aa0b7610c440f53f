"""A shop that posts signed webhooks, as Wix does for it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.builders import entity, text, wix_event
from tests.support.posting import post
from tests.support.signing import envelope


class Shop:
    """Tells of its checkouts, a second apart, beginning now."""

    def __init__(self, ingress_url: str) -> None:
        self._url = ingress_url
        self._site = str(uuid.uuid4())
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._sent = 0

    def tell(
        self, checkout: str, slug: str, *, is_anonymize: bool = False, **changes: Any
    ) -> dict[str, Any]:
        """Post one webhook; its claims."""
        self._sent += 1
        when = self._now + timedelta(seconds=self._sent)
        body = entity(
            id=checkout,
            createdDate=text(self._now),
            updatedDate=text(when),
            buyerInfo={"contactId": f"c-{checkout}", "email": "ada@mail.example"},
            **changes,
        )
        event = wix_event(
            slug,
            body,
            event_id=str(uuid.uuid4()),
            when=when,
            anonymize=is_anonymize,
            checkout=checkout,
        )
        claims = {
            "data": envelope(
                event,
                instanceId=self._site,
                eventType=f"wix.ecom.v1.abandoned_checkout_{slug}",
            )
        }
        post(self._url, claims)
        return claims
