"""Headers of the records: CloudEvents 1.0, Kafka protocol binding, binary mode, and our own.

All values are UTF-8. Source: cloudevents.io, Kafka protocol binding §3.2; W3C Trace Context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_ORIGINS = ("webhook", "backfill", "replay", "operator")


@dataclass(frozen=True)
class Header:
    """A header of a topic's records; one that is not ``is_required`` is left out if unknown.

    ``values`` are all that there can be; empty: any text.
    """

    name: str
    description: str
    is_required: bool = True
    values: tuple[str, ...] = ()


SPECVERSION = Header("ce_specversion", "Version of CloudEvents.", values=("1.0",))
CONTENT_TYPE = Header("content-type", "Of the value.", values=("application/json",))
TRACEPARENT = Header("traceparent", "W3C trace context of the webhook that led to the record.")

#: ``wix.abandoned-checkouts.v1``
SOURCE_HEADERS = (
    SPECVERSION,
    Header("ce_id", "Wix's id of the event, the same on every resend; made of the bytes if none."),
    Header(
        "ce_type",
        "Wix's event type, wix.ecom.v1.abandoned_checkout_created and the like; of an operator's "
        "command checkout-recovery.operator.abandoned_checkout_deleted.",
    ),
    Header(
        "ce_source",
        "/wix/instances/<instance id>; of an operator's command /checkout-recovery/sites/"
        "<instance id>.",
    ),
    Header("ce_subject", "Abandoned checkout id, lower case; also the record's key."),
    Header("ce_time", "Wix's event time as sent, RFC 3339, often with microseconds.", False),
    CONTENT_TYPE,
    TRACEPARENT,
    Header("ce_instanceid", "Instance id: the app's installation on one site."),
    Header("ce_identity", "Who caused the event, a JSON object as Wix sent it.", False),
    Header("ce_accountinfo", "Account and site at Wix, a JSON object as Wix sent it.", False),
    Header("ce_originatedfrom", "What triggered the event, as Wix sent it.", False),
    Header("ce_receivedtime", "When we received it, RFC 3339 in UTC with milliseconds."),
    Header("ce_origin", "How it came to us.", values=_ORIGINS),
)

#: ``checkout-recovery.events.v1``
LIFECYCLE_HEADERS = (
    SPECVERSION,
    Header("ce_id", "The value's event_id: equal ids mean equal bytes."),
    Header("ce_type", "The value's type, such as checkout.abandoned; new ones will come."),
    Header("ce_source", "/checkout-recovery/sites/<instance id>."),
    Header("ce_subject", "Abandoned checkout id; also the record's key."),
    Header("ce_time", "The value's occurred_at."),
    CONTENT_TYPE,
    Header(TRACEPARENT.name, TRACEPARENT.description, False),
)

#: ``checkout-recovery.conversion.v1``
CONVERSION_HEADERS = (
    SPECVERSION,
    Header("ce_id", "Made of site and facts_position: equal ids mean equal bytes."),
    Header("ce_type", "What happened.", values=("conversion.measured",)),
    Header("ce_source", "/checkout-recovery/sites/<instance id>."),
    Header("ce_subject", "Instance id; also the record's key."),
    Header("ce_time", "The value's computed_at."),
    CONTENT_TYPE,
)

#: ``checkout-recovery.dead-letters.v1``, beside all headers of the original record.
DEAD_LETTER_HEADERS = (
    Header("dead_letter_reason", "Reason code, one of DeadLetterReason; new ones will come."),
    Header("dead_letter_stage", "Who gave up, one of DeadLetterStage; new ones will come."),
    Header("dead_letter_time", "When, RFC 3339 in UTC with milliseconds."),
    Header("dead_letter_topic", "Topic of the original record; none from the ingress.", False),
    Header("dead_letter_partition", "Its partition, a decimal integer.", False),
    Header("dead_letter_offset", "Its offset, a decimal integer.", False),
)


HEADERS = {
    "wix.abandoned-checkouts.v1": SOURCE_HEADERS,
    "checkout-recovery.events.v1": LIFECYCLE_HEADERS,
    "checkout-recovery.conversion.v1": CONVERSION_HEADERS,
    "checkout-recovery.dead-letters.v1": DEAD_LETTER_HEADERS,
}


def header_schema(declared: tuple[Header, ...]) -> dict[str, Any]:
    """JSON Schema of a record's headers, as an object of texts; others may come."""
    return {
        "type": "object",
        "properties": {
            header.name: {
                "type": "string",
                "description": header.description,
                **({"enum": list(header.values)} if header.values else {}),
            }
            for header in declared
        },
        "required": [header.name for header in declared if header.is_required],
    }
