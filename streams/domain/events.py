"""What one source event says of one checkout, in the terms of the law.

Invariant: versions are totally ordered, and an event id determines everything else in the event
(Wix resends an event with the same data), so a repeat carries nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  # decoders read the annotations of the tuples
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal


class Kind(Enum):
    """Which member of the event carries the news; Wix's slug is not trusted for it."""

    CREATED = "created"
    UPDATED = "updated"
    RECOVERED = "recovered"
    DELETED = "deleted"


class Origin(Enum):
    """Who put the event on the source topic."""

    WEBHOOK = "webhook"
    BACKFILL = "backfill"
    REPLAY = "replay"
    OPERATOR = "operator"


class Stage(Enum):
    """How far the buyer came: a member's cart, or a checkout that was begun."""

    CART = "cart"
    CHECKOUT = "checkout"


class Version(NamedTuple):
    """The place of an event in its checkout's history; compared from left to right.

    "Sequence if present, else date" would be cyclic between events with and without a sequence;
    this tuple is a total order whatever is missing.
    """

    updated_at: datetime
    sequence: int
    event_at: datetime
    event_id: str

    def __str__(self) -> str:
        """Text that differs whenever the version does: the discriminator of repeatable events."""
        return "/".join(
            (_instant(self.updated_at), str(self.sequence), _instant(self.event_at), self.event_id)
        )


class Site(NamedTuple):
    """A shop: the app's installation on it, and Wix's own ids where they were sent."""

    instance_id: str
    site_id: str
    account_id: str


class Touch(NamedTuple):
    """A message that reached the buyer: ``EMAIL_SENT`` or ``NOTIFICATION_SENT``."""

    type: str
    occurred_at: datetime | None


TOUCH_TYPES = frozenset({"EMAIL_SENT", "NOTIFICATION_SENT"})


@dataclass(frozen=True, slots=True)
class Facets:
    """What counting needs of an entity. None of it is personal, so erasure leaves it alone.

    ``amount`` and ``currency`` are both there or both None (unpriced).
    """

    currency: str | None
    amount: Decimal | None
    stage: Stage
    is_reachable: bool
    is_staff: bool
    touches: tuple[Touch, ...]


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """One event of the source topic, read. Instants are aware UTC.

    ``entity`` holds the raw JSON of the entity as Wix sent it, None where the event has none.
    """

    checkout_id: str
    event_id: str
    kind: Kind
    origin: Origin
    event_at: datetime
    received_at: datetime
    version: Version
    site: Site
    is_anonymize_request: bool
    entity: bytes | None
    created_at: datetime | None
    recovered_at: datetime | None
    is_status_recovered: bool
    facets: Facets | None


def _instant(value: datetime) -> str:
    return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
