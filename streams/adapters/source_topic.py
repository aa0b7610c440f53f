"""Makes a record of the source topic: the one way in, for webhooks and for operators' commands."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from streams.adapters.instants import format_instant
from streams.adapters.source import derived_event_id
from streams.domain.events import Origin

if TYPE_CHECKING:
    from datetime import datetime

    from streams.adapters.wix import Webhook

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class SourceRecord(NamedTuple):
    """Key, value, headers and timestamp of a record."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    timestamp_ms: int


def source_record(
    webhook: Webhook, *, origin: Origin, received_at: datetime, traceparent: str | None = None
) -> SourceRecord:
    """The record of an event: CloudEvents 1.0, Kafka binding, binary mode.

    ``traceparent`` is the caller's if it is a W3C one, else a new trace begins.
    """
    event_id = webhook.event_id or derived_event_id(webhook.value)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode("utf-8", "replace")),
        ("ce_type", webhook.event_type.encode("utf-8", "replace")),
        ("ce_source", _source(webhook, origin).encode("utf-8", "replace")),
        ("ce_subject", webhook.checkout_id.encode("utf-8", "replace")),
        ("content-type", b"application/json"),
        ("traceparent", _traceparent(traceparent)),
        ("ce_instanceid", webhook.instance_id.encode("utf-8", "replace")),
        ("ce_receivedtime", format_instant(received_at).encode()),
        ("ce_origin", origin.value.encode()),
    ]
    for name, value in (
        ("ce_time", webhook.event_time.encode("utf-8", "replace")),
        ("ce_identity", webhook.identity),
        ("ce_accountinfo", webhook.account_info),
        ("ce_originatedfrom", webhook.originated_from.encode("utf-8", "replace")),
    ):
        if value:
            headers.append((name, value))
    return SourceRecord(
        key=webhook.checkout_id.encode("utf-8", "replace"),
        value=webhook.value,
        headers=headers,
        timestamp_ms=int(received_at.timestamp() * 1000),
    )


def _source(webhook: Webhook, origin: Origin) -> str:
    """Who said it: Wix, also where it is told again; or an operator of ours."""
    if origin is Origin.OPERATOR:
        return f"/checkout-recovery/sites/{webhook.instance_id}"
    return f"/wix/instances/{webhook.instance_id}"


def _traceparent(given: str | None) -> bytes:
    if given is not None and _TRACEPARENT.fullmatch(given):
        return given.encode()
    fresh = f"{random.getrandbits(192):048x}"  # a name, no secret
    return f"00-{fresh[:32]}-{fresh[32:]}-01".encode()
