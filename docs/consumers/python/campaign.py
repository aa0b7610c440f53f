"""The campaign: what to do about an event, and about time going by. No Kafka in here.

State is in SQL, and each answer comes with the state that it leads to, in one transaction of the
caller's. All instants are RFC 3339 in UTC with milliseconds, so they compare as texts.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from checkout_recovery_schemas.consumer import Record, parse
from checkout_recovery_schemas.dedupe import SqlDeduplicator

if TYPE_CHECKING:
    import sqlite3

    from checkout_recovery_schemas.lifecycle import Event

TABLE = """
CREATE TABLE IF NOT EXISTS checkouts (
  id TEXT PRIMARY KEY,
  subject TEXT,           -- kept after an erasure: later events carry nothing personal
  left_at TEXT NOT NULL,
  expires_at TEXT,
  hindrance TEXT,         -- why no campaign may start, as far as the checkout itself goes
  state TEXT NOT NULL,    -- waiting, started, skipped, ended
  reason TEXT
)
"""
NEWER = """
SELECT 1 FROM checkouts
WHERE subject = ? AND state <> 'ended' AND (left_at > ? OR (left_at = ? AND id > ?))
"""


class Campaign:
    """One campaign for one person, started a while after the buyer left."""

    def __init__(self, database: sqlite3.Connection, *, delay: timedelta) -> None:
        self._database = database
        self._delay = delay
        self._seen = SqlDeduplicator(database)
        self._seen.create_table()
        database.execute(TABLE)
        database.commit()

    def handle(self, record: Record, *, now: datetime) -> list[str]:
        """What a record makes the campaign do at once.

        Raises:
            UnreadableRecordError: put the record aside.
        """
        event = parse(record)
        if event is None or not self._seen.is_new(event.event_id, now=now):
            return []
        if event.type == "checkout.abandoned":
            self._database.execute(
                "INSERT INTO checkouts VALUES (?, ?, ?, ?, ?, 'waiting', NULL) "
                "ON CONFLICT (id) DO NOTHING",
                (
                    event.abandoned_checkout_id,
                    event.subject_key,
                    event.abandoned_at or event.recorded_at,
                    event.expires_at,
                    hindrance(event),
                ),
            )
            return []
        if event.type == "checkout.changed":
            self._database.execute(
                "UPDATE checkouts SET subject = ?, hindrance = ?, "
                "state = CASE state WHEN 'skipped' THEN 'waiting' ELSE state END WHERE id = ?",
                (event.subject_key, hindrance(event), event.abandoned_checkout_id),
            )
            return []
        return self._end(event)

    def due(self, *, now: datetime) -> list[str]:
        """What is to do now that everything has been read: the status is looked at just here."""
        actions = []
        waiting = self._database.execute(
            "SELECT id, subject, left_at, expires_at, hindrance, reason FROM checkouts "
            "WHERE state = 'waiting' AND left_at <= ? ORDER BY left_at, id",
            (text(now - self._delay),),
        ).fetchall()
        for checkout, subject, left_at, expires_at, hindered, last in waiting:
            newer = self._database.execute(NEWER, (subject, left_at, left_at, checkout))
            if hindered is None and expires_at is not None and expires_at < text(now):
                hindered = "expired"  # noqa: PLW2901  # the next reason, if there was none
            if hindered is None and newer.fetchone() is not None:
                hindered = "replaced"  # noqa: PLW2901
            if hindered is not None:
                self._set(checkout, "skipped", hindered)
                actions += [] if hindered == last else [f"skip {checkout} {hindered}"]
                continue
            for (older,) in self._database.execute(
                "SELECT id FROM checkouts WHERE subject = ? AND state = 'started' ORDER BY id",
                (subject,),
            ).fetchall():
                self._set(older, "skipped", "replaced")
                actions.append(f"stop {older} replaced")
            self._set(checkout, "started", None)
            actions.append(f"start {checkout} {subject}")
        self._seen.forget(now=now)
        return actions

    def _end(self, event: Event) -> list[str]:
        """Recovered, anonymized or deleted: no campaign any more."""
        checkout, why = event.abandoned_checkout_id, event.type.removeprefix("checkout.")
        found = self._database.execute(
            "SELECT state, subject FROM checkouts WHERE id = ?", (checkout,)
        ).fetchone()
        state, subject = found or (None, None)
        actions = []
        if state in {"started", "waiting"}:
            actions.append(f"{'stop' if state == 'started' else 'skip'} {checkout} {why}")
        if why in {"anonymized", "deleted"}:
            actions.append(f"erase {checkout} {subject or '-'}")
        self._set(checkout, "ended", why)
        return actions

    def _set(self, checkout: str, state: str, reason: str | None) -> None:
        self._database.execute(
            "UPDATE checkouts SET state = ?, reason = ? WHERE id = ?", (state, reason, checkout)
        )


def hindrance(event: Event) -> str | None:
    """Why the checkout is none for a campaign; None if it is one."""
    if event.is_staff:
        return "staff"
    if event.checkout_url is None:
        return "no-link"
    if not event.reachable_by:
        return "no-contact"
    if event.automation.is_scheduled:
        return "scheduled"
    return None


def text(instant: datetime) -> str:
    """As the events write it."""
    utc = instant.astimezone(timezone.utc).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"
