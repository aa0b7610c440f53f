"""``checkout-recovery.dead-letters.v1``: original bytes, key and headers, and why.

The value is what could not be read, unchanged: from the ingress the verified claims as JSON (never
the token), from a worker the source or facts record. The headers are ``DEAD_LETTER_HEADERS``.
"""

from __future__ import annotations

from enum import Enum


class DeadLetterReason(str, Enum):
    """Why a record could not be processed; ``description`` says it in plain words."""

    CLAIMS_UNREADABLE = "claims_unreadable"
    ENVELOPE_UNREADABLE = "envelope_unreadable"
    EVENT_UNREADABLE = "event_unreadable"
    ENTITY_UNREADABLE = "entity_unreadable"
    SITE_MISSING = "site_missing"
    CHECKOUT_ID_MISSING = "checkout_id_missing"
    EVENT_TIME_MISSING = "event_time_missing"
    FACT_UNREADABLE = "fact_unreadable"

    @property
    def description(self) -> str:
        """What was wrong with the record."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    DeadLetterReason.CLAIMS_UNREADABLE: "the token's claims hold no string 'data'",
    DeadLetterReason.ENVELOPE_UNREADABLE: "the envelope in 'data' is no JSON object",
    DeadLetterReason.EVENT_UNREADABLE: "the domain event is no JSON object",
    DeadLetterReason.ENTITY_UNREADABLE: "a field of the entity has a type or date that can't be",
    DeadLetterReason.SITE_MISSING: "no instance id: the event belongs to no site",
    DeadLetterReason.CHECKOUT_ID_MISSING: "no checkout id in event or entity",
    DeadLetterReason.EVENT_TIME_MISSING: "no instant anywhere in the event",
    DeadLetterReason.FACT_UNREADABLE: "a record of the facts topic that we did not write",
}


class DeadLetterStage(str, Enum):
    """Who could not process a record."""

    INGRESS = "ingress"
    TRACK_CHECKOUTS = "track-checkouts"
    MEASURE_CONVERSION = "measure-conversion"
