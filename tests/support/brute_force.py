"""Rates by brute force, in a third formulation: rows of a table, filtered anew for each number.

Shares nothing with the product: plain JSON in, ``Fraction`` and integers inside.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isqrt
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=7)
WINDOWS = {
    "1h": (timedelta(hours=1), timedelta(minutes=5)),
    "24h": (timedelta(hours=24), timedelta(minutes=5)),
    "7d": (timedelta(days=7), timedelta(hours=1)),
    "30d": (timedelta(days=30), timedelta(hours=1)),
}
KEPT = {timedelta(minutes=5): timedelta(days=8), timedelta(hours=1): timedelta(days=37)}
MESSAGES = {"EMAIL_SENT", "NOTIFICATION_SENT"}


def when(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def rows(records: list[tuple[str, bytes]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by site: one for each checkout, from (instance id, event B) pairs."""
    by_checkout: dict[str, list[tuple[Any, str, dict[str, Any]]]] = defaultdict(list)
    for site, value in records:
        event = json.loads(value)
        body = next(
            event[m]
            for m in ("createdEvent", "updatedEvent", "actionEvent", "deletedEvent")
            if m in event
        )
        found = body.get("entity") or body.get("currentEntity") or body.get("deletedEntity")
        if "body" in body:
            found = body["body"]["abandonedCheckout"]
        event["entity"] = found
        moment = when(event["eventTime"])
        version = (
            when((found or {}).get("updatedDate")) or moment,
            int(event.get("entityEventSequence", -1)),
            moment,
            event["id"],
        )
        by_checkout[event["entityId"]].append((version, site, event))
    sites: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for history in by_checkout.values():
        site, row = _row(sorted(history, key=lambda item: item[:2]))
        if row["left"] or row["back"]:
            sites[site].append(row)
    return sites


def _row(history: list[tuple[Any, str, dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
    events = [event for _, _, event in history]
    bodies = [event for event in events if event["entity"]]
    plain = [
        e for e in bodies if not e["triggeredByAnonymizeRequest"] and "deletedEvent" not in e
    ] or bodies
    entity = plain[-1]["entity"] if plain else {}
    dates = [when(e["entity"].get("createdDate")) for e in bodies if e["entity"].get("createdDate")]
    starts = [when(e["eventTime"]) for e in events if "createdEvent" in e]
    given = [
        e["entity"]["checkoutRecoveredDate"]
        for e in bodies
        if "checkoutRecoveredDate" in e["entity"]
    ]
    actions = [when(e["eventTime"]) for e in events if "actionEvent" in e]
    statuses = [when(e["eventTime"]) for e in bodies if e["entity"].get("status") == "RECOVERED"]
    back = when(given[-1]) if given else min(filter(None, actions or statuses), default=None)
    amount = (entity.get("totalPrice") or {}).get("amount")
    buyer = entity.get("buyerInfo") or {}
    messages = [
        when(a.get("createdDate")) for a in entity.get("activities", []) if a["type"] in MESSAGES
    ]
    return history[0][1], {
        "left": min(filter(None, dates or starts), default=None),
        "back": back,
        "money": (entity["currency"], Fraction(amount))
        if isinstance(amount, str) and "-" not in amount and entity.get("currency")
        else None,
        "begun": bool(entity.get("checkoutId")),
        "reachable": bool(
            buyer.get("email")
            or buyer.get("contactId")
            or (entity.get("contactDetails") or {}).get("phone")
        ),
        "touched": any(m is not None and m <= back for m in messages) if back else bool(messages),
        "staff": bool(buyer.get("userId")),
    }


def record(table: list[dict[str, Any]], as_of: datetime) -> dict[str, Any]:
    """The counted part of a conversion record."""
    wide = [r for r in table if _in(r["left"], *_edges(as_of, *WINDOWS["30d"]))]
    return {
        "excluded_staff": len([r for r in wide if r["staff"]]),
        "unpriced": len([r for r in wide if not r["staff"] and not r["money"]]),
        "windows": [_window(table, as_of, name) for name in WINDOWS],
    }


def _edges(as_of: datetime, length: timedelta, bucket: timedelta) -> tuple[datetime, datetime]:
    end = EPOCH + ((as_of - EPOCH) // bucket + 1) * bucket
    return end - length, end


def _in(moment: datetime | None, start: datetime, end: datetime) -> bool:
    return moment is not None and start <= moment < end


def _window(table: list[dict[str, Any]], as_of: datetime, name: str) -> dict[str, Any]:
    length, bucket = WINDOWS[name]
    start, end = _edges(as_of, length, bucket)
    table = [r for r in table if not r["staff"]]

    def share(chosen: list[dict[str, Any]], *, within: bool = False) -> dict[str, Any]:
        done = [
            r
            for r in chosen
            if r["back"] and r["back"] < end and not (within and r["back"] - r["left"] > HORIZON)
        ]
        return {"abandoned": len(chosen), "recovered": len(done), **_wilson(len(done), len(chosen))}

    def segment(*wanted: tuple[str, bool]) -> dict[str, Any]:
        some = [r for r in table if all(r[name] is value for name, value in wanted)]
        return {
            "cohort": share([r for r in some if _in(r["left"], start, end)]),
            "matured": {
                "from": _text(start - HORIZON),
                "to": _text(end - HORIZON),
                **share(
                    [r for r in some if _in(r["left"], start - HORIZON, end - HORIZON)], within=True
                ),
            },
        }

    cohort = [r for r in table if _in(r["left"], start, end)]
    flow = [r for r in table if _in(r["back"], start, end)]
    ratio = Fraction(len(flow), len(cohort)) if cohort else None
    times = sorted(
        max(r["back"] - r["left"], timedelta(0)) // timedelta(seconds=1) for r in flow if r["left"]
    )
    before = [r for r in table if _in(r["left"], start - length, start)]
    return {
        "window": name,
        "from": _text(start),
        "to": _text(end),
        "horizon": "7d",
        "flow": {"abandoned": len(cohort), "recovered": len(flow), "ratio": _six(ratio)},
        **segment(),
        "by_stage": {"cart": segment(("begun", False)), "checkout": segment(("begun", True))},
        "reachable": segment(("reachable", True)),
        "unreachable": segment(("reachable", False)),
        "touched": segment(("touched", True)),
        "untouched": segment(("touched", False)),
        "money": [
            _value(currency, [r for r in cohort if r["money"] and r["money"][0] == currency], end)
            for currency in sorted({r["money"][0] for r in cohort if r["money"]})
        ],
        "time_to_recovery": {
            "count": len(times),
            **{
                f"p{p}_seconds": _coarse(times[(p * len(times) + 99) // 100 - 1]) if times else None
                for p in (50, 90, 99)
            },
            "relative_error": "0.03125",
        },
        "previous": {
            "from": _text(start - length),
            "to": _text(start),
            "flow": {
                "abandoned": len(before),
                "recovered": len([r for r in table if _in(r["back"], start - length, start)]),
            },
            "cohort": {
                "abandoned": len(before),
                "recovered": len([r for r in before if r["back"] and r["back"] < end]),
            },
        }
        if 2 * length <= KEPT[bucket]
        else None,
    }


def _value(currency: str, chosen: list[dict[str, Any]], end: datetime) -> dict[str, Any]:
    left = sum(r["money"][1] for r in chosen)
    back = sum(r["money"][1] for r in chosen if r["back"] and r["back"] < end)
    return {
        "currency": currency,
        "abandoned": _amount(left),
        "recovered": _amount(back),
        "open": _amount(left - back),
        "checkouts": len(chosen),
    }


def _amount(value: Fraction) -> str:
    text = f"{Decimal(value.numerator) / Decimal(value.denominator):f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.rstrip('0'):0<2}"


def _coarse(seconds: int) -> int:
    step = 1
    while seconds >= 64 * step:
        step *= 2
    return seconds - seconds % step


def _wilson(done: int, count: int) -> dict[str, Any]:
    if not count:
        return {"rate": None, "low": None, "high": None}
    z, scale = Fraction("1.959963984540054"), 10**40
    inner = z * z / 4 + Fraction(done * (count - done), count)
    root = Fraction(isqrt(inner.numerator * scale * scale // inner.denominator), scale)
    low, high = ((done + z * z / 2 + sign * z * root) / (count + z * z) for sign in (-1, 1))
    return {
        "rate": _six(Fraction(done, count)),
        "low": _six(max(low, Fraction(0))),
        "high": _six(high),
    }


def _six(value: Fraction | None) -> str | None:
    return None if value is None else f"{Decimal(round(value * 10**6)).scaleb(-6):.6f}"


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
