"""Writes a site's rates as the record of ``checkout-recovery.conversion.v1``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import orjson

from streams.adapters.instants import format_instant
from streams.adapters.lifecycle import named
from streams.domain.histogram import RELATIVE_ERROR
from streams.domain.money import from_nanos
from streams.domain.rates import share

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from decimal import Decimal

    from streams.domain.rates import Previous, Value, WindowRates

SCHEMA_VERSION: Final = 1
EVENT_TYPE: Final = "conversion.measured"
DEFINITIONS_VERSION: Final = 1


def encode_windows(windows: tuple[WindowRates, ...]) -> bytes:
    """The ``windows`` of a record, as JSON: what is compared to see whether a number changed."""
    return f"[{','.join(map(_window, windows))}]".encode()


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
    identifier = named(f"{instance_id}|{EVENT_TYPE}|{partition}/{offset}")
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", identifier.encode()),
        ("ce_type", EVENT_TYPE.encode()),
        ("ce_source", f"/checkout-recovery/sites/{instance_id}".encode()),
        ("ce_subject", instance_id.encode()),
        ("ce_time", format_instant(computed_at).encode()),
        ("content-type", b"application/json"),
    ]


@lru_cache
def format_duration(duration: timedelta) -> str:
    """As it is configured: ``1h``, ``24h``, ``7d``, ``30d``."""
    minutes = int(duration.total_seconds()) // 60
    if minutes % 60:
        return f"{minutes}m"
    hours = minutes // 60
    return f"{hours // 24}d" if hours % 24 == 0 and hours > 24 else f"{hours}h"  # noqa: PLR2004  # a day


def _window(rates: WindowRates) -> str:
    """The JSON of one window, put together from parts that are made once: it is a hot path."""
    start, stop, matured_from, matured_to, before = _bounds(
        rates.start, rates.stop, rates.window, rates.horizon
    )
    matured = f'{{"from":{matured_from},"to":{matured_to},'
    all_, cart, checkout, reachable, unreachable, touched, untouched = (  # WindowRates' segments
        f'{{"cohort":{{{_share(*cohort[:2])}}},"matured":{matured}{_share(*grown[:2])}}}}}'
        for cohort, grown in rates[5:12]
    )
    flow, times, previous = rates.flow, rates.recovery_times, rates.previous
    money = ",".join(map(_money, rates.values))
    return (
        f'{{"window":"{format_duration(rates.window)}","from":{start},"to":{stop},'
        f'"horizon":"{format_duration(rates.horizon)}",'
        f'"flow":{{"abandoned":{flow.abandoned},"recovered":{flow.recovered},'
        f'"ratio":{_decimal(flow.ratio)}}},{all_[1:-1]},'
        f'"by_stage":{{"cart":{cart},"checkout":{checkout}}},'
        f'"reachable":{reachable},"unreachable":{unreachable},'
        f'"touched":{touched},"untouched":{untouched},"money":[{money}],'
        f'"time_to_recovery":{{"count":{times.count},"p50_seconds":{_number(times.p50)},'
        f'"p90_seconds":{_number(times.p90)},"p99_seconds":{_number(times.p99)},'
        f'"relative_error":"{RELATIVE_ERROR}"}},'
        f'"previous":{"null" if previous is None else _previous(previous, before, start)}}}'
    )


@lru_cache(maxsize=4096)
def _bounds(
    start: datetime, stop: datetime, window: timedelta, horizon: timedelta
) -> tuple[str, str, str, str, str]:
    """Start, stop, start and stop of the matured window, start of the one before; as JSON.

    All sites have the same windows at a time, and windows end at buckets' ends.
    """
    instants = (start, stop, start - horizon, stop - horizon, start - window)
    one, two, three, four, five = (f'"{format_instant(instant)}"' for instant in instants)
    return one, two, three, four, five


def _previous(previous: Previous, start: str, stop: str) -> str:
    return (
        f'{{"from":{start},"to":{stop},"flow":{{"abandoned":{previous.abandoned},'
        f'"recovered":{previous.recoveries}}},"cohort":{{"abandoned":{previous.abandoned},'
        f'"recovered":{previous.recovered}}}}}'
    )


def _money(value: Value) -> str:
    return (
        f'{{"currency":{orjson.dumps(value.currency).decode()},'
        f'"abandoned":"{from_nanos(value.abandoned)}","recovered":"{from_nanos(value.recovered)}",'
        f'"open":"{from_nanos(value.open)}","checkouts":{value.checkouts}}}'
    )


@lru_cache(maxsize=65_536)
def _share(abandoned: int, recovered: int) -> str:
    """The members of a share, by the counts, which decide the rest."""
    found = share(abandoned, recovered)
    return (
        f'"abandoned":{abandoned},"recovered":{recovered},"rate":{_decimal(found.rate)},'
        f'"low":{_decimal(found.low)},"high":{_decimal(found.high)}'
    )


def _decimal(value: Decimal | None) -> str:
    return "null" if value is None else f'"{value:f}"'


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)
