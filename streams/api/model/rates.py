"""Records of the rates become each site's newest numbers, and the last ones of each hour.

Invariant: a site's records are in one partition, and the later one is the newer one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete

from schemas.conversion import ConversionV1, read_conversion
from streams.adapters.database.activity import hour_of
from streams.adapters.database.columns import NO_TEXT, instant_key, storable
from streams.adapters.database.tables import RATES, RATES_HISTORY, SITES
from streams.adapters.instants import read_instant
from streams.api.model.records import UnreadableRecordError
from streams.api.model.upserts import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from schemas.conversion import WindowV1
    from streams.api.model.records import Record

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Flow ratios may exceed 1; with so many digits before the point, text compares as numbers do.
_WHOLE_DIGITS: Final = 9
_PLACES: Final = 6


def rate_key(rate: str | None) -> str:
    """A rate as it stands in a column: digits of fixed width; empty, and so first, if none."""
    if rate is None:
        return NO_TEXT
    whole, _, places = rate.partition(".")
    return f"{whole.rjust(_WHOLE_DIGITS, '0')}.{places.ljust(_PLACES, '0')}"


def rate_of(key: str) -> str | None:
    """The rate of a column, as it was published."""
    if not key:
        return None
    whole, _, places = key.partition(".")
    return f"{whole.lstrip('0') or '0'}.{places}"


def read_rates(record: Record) -> tuple[Record, ConversionV1]:
    """A record of the rates.

    Raises:
        UnreadableRecordError: it is none.
    """
    try:
        return record, read_conversion(record.value or b"")
    except (ValueError, RecursionError):
        raise UnreadableRecordError from None


def apply_rates(connection: Connection, records: Sequence[tuple[Record, ConversionV1]]) -> None:
    """Write records, in the order of the topic."""
    sites, newest, hourly = {}, {}, {}
    for record, rates in records:
        instance_id = storable(rates.instance_id)
        site_id = storable(rates.site_id) if rates.site_id else None
        as_of = read_instant(rates.as_of) or _EPOCH
        sites[instance_id] = {
            "instance_id": instance_id,
            "site_id": site_id,
            "as_of": instant_key(as_of),
            "partition": record.place.partition,
            "offset": record.offset,
            "record": (record.value or b"").decode(),
        }
        for window in rates.windows:
            numbers = {
                "instance_id": instance_id,
                "window": window.window,
                "as_of": instant_key(as_of),
                **_numbers(window),
            }
            newest[instance_id, window.window] = {**numbers, "site_id": site_id}
            hour = hour_of(as_of)
            hourly[instance_id, window.window, hour] = {**numbers, "hour": hour}
    upsert(connection, SITES, list(sites.values()))
    upsert(connection, RATES, list(newest.values()))
    upsert(connection, RATES_HISTORY, list(hourly.values()))


def forget_rates(connection: Connection, *, before: datetime) -> int:
    """Drop the history of hours before an instant; how many rows there were."""
    old = delete(RATES_HISTORY).where(RATES_HISTORY.c.hour < hour_of(before))
    return connection.execute(old).rowcount


def _numbers(window: WindowV1) -> dict[str, Any]:
    flow, cohort, matured = window.flow, window.cohort, window.matured
    return {
        "flow_abandoned": flow.abandoned,
        "flow_recovered": flow.recovered,
        "flow_ratio": rate_key(flow.ratio),
        "cohort_abandoned": cohort.abandoned,
        "cohort_recovered": cohort.recovered,
        "cohort_rate": rate_key(cohort.rate),
        "cohort_low": rate_key(cohort.low),
        "cohort_high": rate_key(cohort.high),
        "matured_abandoned": matured.abandoned,
        "matured_recovered": matured.recovered,
        "matured_rate": rate_key(matured.rate),
        "matured_low": rate_key(matured.low),
        "matured_high": rate_key(matured.high),
    }
