"""One window's numbers of a site, out of the tables, for JSON and CSV alike."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field

from schemas.conversion import FlowV1, ShareV1
from streams.adapters.database.columns import instant_of
from streams.adapters.instants import format_instant
from streams.api.model.rates import rate_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import RowMapping

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: A spreadsheet takes a text that begins so for a formula.
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


class Numbers(BaseModel):
    """The three rates with their counts; see docs/rates.md for what each of them is."""

    as_of: str = Field(description="The newest instant that these counts know of.")
    flow: FlowV1 = Field(description="Naive rolling rate.")
    cohort: ShareV1 = Field(description="Recovered so far, of those abandoned in the window.")
    matured: ShareV1 = Field(description="The recovery rate: each had its time.")


def numbers_of(row: RowMapping) -> dict[str, Any]:
    """The fields of ``Numbers`` of a row of ``rates`` or ``rates_history``."""
    return {
        "as_of": format_instant(instant_of(row["as_of"]) or _EPOCH),
        "flow": {
            "abandoned": row["flow_abandoned"],
            "recovered": row["flow_recovered"],
            "ratio": rate_of(row["flow_ratio"]),
        },
        "cohort": _share(row, "cohort"),
        "matured": _share(row, "matured"),
    }


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """A table of flat columns; numbers as they are, empty where there is none (RFC 4180)."""
    text = io.StringIO()
    writer = csv.writer(text)
    header: list[str] | None = None
    for row in rows:
        flat = dict(_flat(row))
        if header is None:
            header = list(flat)
            writer.writerow(header)
        writer.writerow([_cell(flat.get(name)) for name in header])
    return text.getvalue()


def _share(row: RowMapping, kind: str) -> dict[str, Any]:
    return {
        "abandoned": row[f"{kind}_abandoned"],
        "recovered": row[f"{kind}_recovered"],
        "rate": rate_of(row[f"{kind}_rate"]),
        "low": rate_of(row[f"{kind}_low"]),
        "high": rate_of(row[f"{kind}_high"]),
    }


def _flat(row: Mapping[str, Any], parent: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{parent}{name}_")
        else:
            yield parent + name, value


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return f"'{value}"
    return "" if value is None else value
