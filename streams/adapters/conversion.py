"""Writes a site's rates as the record of ``checkout-recovery.conversion.v1``."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import orjson

from streams.adapters.instants import format_instant
from streams.adapters.lifecycle import NAMESPACE
from streams.domain.histogram import RELATIVE_ERROR
from streams.domain.money import from_nanos
from streams.domain.rates import share

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from decimal import Decimal

    from streams.domain.rates import Segment, WindowRates

SCHEMA_VERSION: Final = 1
EVENT_TYPE: Final = "conversion.measured"
DEFINITIONS_VERSION: Final = 1


def encode_windows(windows: tuple[WindowRates, ...]) -> bytes:
    """The ``windows`` of a record, as JSON: what is compared to see whether a number changed."""
    return orjson.dumps([_window(window) for window in windows])


def encode_record(  # noqa: PLR0913  # one argument a field
    *,
    instance_id: str,
    site_id: str,
    as_of: datetime,
    computed_at: datetime,
    facts_position: tuple[str, int, int],
    windows: tuple[WindowRates, ...],
    encoded_windows: bytes,
) -> bytes:
    """The whole record. ``facts_position``: topic, partition, offset of the last fact counted."""
    topic, partition, offset = facts_position
    longest = windows[-1]
    return orjson.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "definitions_version": DEFINITIONS_VERSION,
            "instance_id": instance_id,
            "site_id": site_id or None,
            "as_of": format_instant(as_of),
            "computed_at": format_instant(computed_at),
            "facts_position": {"topic": topic, "partition": partition, "offset": offset},
            "excluded_staff": longest.excluded_staff,
            "unpriced": longest.unpriced,
            "windows": orjson.Fragment(encoded_windows),
        }
    )


def record_headers(
    *, instance_id: str, computed_at: datetime, facts_position: tuple[str, int, int]
) -> list[tuple[str, bytes | None]]:
    """CloudEvents 1.0, binary mode. One fact makes one record of a site, so it makes the id."""
    _, partition, offset = facts_position
    identifier = uuid.uuid5(NAMESPACE, f"{instance_id}|{EVENT_TYPE}|{partition}/{offset}")
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(identifier).encode()),
        ("ce_type", EVENT_TYPE.encode()),
        ("ce_source", f"/checkout-recovery/sites/{instance_id}".encode()),
        ("ce_subject", instance_id.encode()),
        ("ce_time", format_instant(computed_at).encode()),
        ("content-type", b"application/json"),
    ]


def format_duration(duration: timedelta) -> str:
    """As it is configured: ``1h``, ``24h``, ``7d``, ``30d``."""
    minutes = int(duration.total_seconds()) // 60
    if minutes % 60:
        return f"{minutes}m"
    hours = minutes // 60
    return f"{hours // 24}d" if hours % 24 == 0 and hours > 24 else f"{hours}h"  # noqa: PLR2004  # a day


def _window(rates: WindowRates) -> dict[str, object]:
    matured = (
        format_instant(rates.start - rates.horizon),
        format_instant(rates.stop - rates.horizon),
    )
    return {
        "window": format_duration(rates.window),
        "from": format_instant(rates.start),
        "to": format_instant(rates.stop),
        "horizon": format_duration(rates.horizon),
        "flow": {
            "abandoned": rates.flow.abandoned,
            "recovered": rates.flow.recovered,
            "ratio": _decimal(rates.flow.ratio),
        },
        **_segment(rates.all, matured),
        "by_stage": {
            "cart": _segment(rates.cart, matured),
            "checkout": _segment(rates.checkout, matured),
        },
        "reachable": _segment(rates.reachable, matured),
        "unreachable": _segment(rates.unreachable, matured),
        "touched": _segment(rates.touched, matured),
        "untouched": _segment(rates.untouched, matured),
        "money": [
            {
                "currency": value.currency,
                "abandoned": from_nanos(value.abandoned),
                "recovered": from_nanos(value.recovered),
                "open": from_nanos(value.open),
                "checkouts": value.checkouts,
            }
            for value in rates.values
        ],
        "time_to_recovery": {
            "count": rates.recovery_times.count,
            "p50_seconds": rates.recovery_times.p50,
            "p90_seconds": rates.recovery_times.p90,
            "p99_seconds": rates.recovery_times.p99,
            "relative_error": RELATIVE_ERROR,
        },
        "previous": None
        if rates.previous is None
        else {
            "from": format_instant(rates.previous.start),
            "to": format_instant(rates.previous.stop),
            "flow": {
                "abandoned": rates.previous.abandoned,
                "recovered": rates.previous.recoveries,
            },
            "cohort": {
                "abandoned": rates.previous.abandoned,
                "recovered": rates.previous.recovered,
            },
        },
    }


def _segment(segment: Segment, matured: tuple[str, str]) -> dict[str, object]:
    return {
        "cohort": _share(segment.cohort.abandoned, segment.cohort.recovered),
        "matured": {
            "from": matured[0],
            "to": matured[1],
            **_share(segment.matured.abandoned, segment.matured.recovered),
        },
    }


@lru_cache(maxsize=4096)
def _share(abandoned: int, recovered: int) -> dict[str, object]:
    """By the counts, which decide the rest; nobody may change what it returns."""
    found = share(abandoned, recovered)
    return {
        "abandoned": abandoned,
        "recovered": recovered,
        "rate": _decimal(found.rate),
        "low": _decimal(found.low),
        "high": _decimal(found.high),
    }


def _decimal(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
