"""``checkout-recovery.dead-letters.v1``: original bytes, key and headers, and why."""

from __future__ import annotations

from enum import Enum

#: Headers that we add; the position is left out where the record came from no topic.
HEADERS = (
    "dead_letter_reason",
    "dead_letter_stage",
    "dead_letter_time",
    "dead_letter_topic",
    "dead_letter_partition",
    "dead_letter_offset",
)


class DeadLetterReason(str, Enum):
    """Why a record could not be processed."""

    CLAIMS_UNREADABLE = "claims_unreadable"
    ENVELOPE_UNREADABLE = "envelope_unreadable"
    EVENT_UNREADABLE = "event_unreadable"
    ENTITY_UNREADABLE = "entity_unreadable"
    SITE_MISSING = "site_missing"
    CHECKOUT_ID_MISSING = "checkout_id_missing"
    EVENT_TIME_MISSING = "event_time_missing"
    FACT_UNREADABLE = "fact_unreadable"


#: In plain words.
MEANINGS = {
    DeadLetterReason.CLAIMS_UNREADABLE: "the token's claims hold no string 'data'",
    DeadLetterReason.ENVELOPE_UNREADABLE: "the envelope in 'data' is no JSON object",
    DeadLetterReason.EVENT_UNREADABLE: "the domain event is no JSON object",
    DeadLetterReason.ENTITY_UNREADABLE: "a field of the entity has a type or date that can't be",
    DeadLetterReason.SITE_MISSING: "no instance id: the event belongs to no site",
    DeadLetterReason.CHECKOUT_ID_MISSING: "no checkout id in event or entity",
    DeadLetterReason.EVENT_TIME_MISSING: "no instant anywhere in the event",
    DeadLetterReason.FACT_UNREADABLE: "a record of the facts topic that we did not write",
}
