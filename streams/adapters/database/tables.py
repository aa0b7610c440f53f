"""The tables of the read model, the same in SQLite and PostgreSQL.

Times are microseconds since 1970, amounts text of fixed width, texts have a key without case beside
them: see ``columns``. Text compares by code points in both databases (``COLLATE "C"``).

Rows of ``checkouts``, ``received_events`` and ``announcements`` can be made again from the topics
for as long as these keep their records. ``rates_history`` can not: the topic of the rates keeps the
newest record of each site only, so what the table holds is what was seen when it was published.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA: Final = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)


def _text() -> Text:
    """Compared by code points, as Python does and SQLite by default."""
    return Text().with_variant(Text(collation="C"), "postgresql")


def _key(name: str) -> Column[str]:
    return Column(name, _text(), nullable=False)


MODEL: Final = Table(
    "model",
    METADATA,
    Column("id", String(36), primary_key=True),
    comment="One row: this database's own id. Processes that share it split the partitions.",
)

POSITIONS: Final = Table(
    "positions",
    METADATA,
    Column("topic", _text(), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    comment="How far the other tables are; changed in one transaction with them.",
)

CHECKOUTS: Final = Table(
    "checkouts",
    METADATA,
    Column("abandoned_checkout_id", _text(), primary_key=True),
    Column("instance_id", _text(), nullable=False),
    Column("site_id", _text()),
    Column("entity", Text, nullable=False, comment="JSON, every field, as Wix would answer it"),
    Column("knowledge", LargeBinary, nullable=False, comment="what the law needs for the next"),
    Column("is_deleted", Boolean, nullable=False),
    Column("is_anonymized", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("recovered_at", BigInteger, nullable=False, comment="known to the law"),
    Column("currency", _text()),
    _key("total_amount"),
    _key("total_converted_amount"),
    Column("status", _text()),
    _key("status_key"),
    Column("contact_id", _text()),
    _key("contact_id_key"),
    Column("email", _text()),
    _key("email_key"),
    Column("visitor_id", _text()),
    _key("visitor_id_key"),
    Column("member_id", _text()),
    _key("member_id_key"),
    Column("user_id", _text()),
    _key("user_id_key"),
    Column("first_name", _text()),
    _key("first_name_key"),
    Column("last_name", _text()),
    _key("last_name_key"),
    _key("activity_types"),
    _key("coupon_codes"),
)

_ID: Final = CHECKOUTS.c.abandoned_checkout_id
for _column in (
    CHECKOUTS.c.created_at,
    CHECKOUTS.c.updated_at,
    CHECKOUTS.c.total_amount,
    CHECKOUTS.c.total_converted_amount,
    CHECKOUTS.c.contact_id_key,
    CHECKOUTS.c.email_key,
    CHECKOUTS.c.visitor_id_key,
    CHECKOUTS.c.member_id_key,
    CHECKOUTS.c.user_id_key,
    CHECKOUTS.c.first_name_key,
    CHECKOUTS.c.last_name_key,
):
    Index(None, _column, _ID)
Index(None, CHECKOUTS.c.status_key, CHECKOUTS.c.created_at, _ID)
Index(None, CHECKOUTS.c.instance_id, CHECKOUTS.c.created_at, _ID)
Index(None, CHECKOUTS.c.site_id, CHECKOUTS.c.created_at, _ID)
Index(None, CHECKOUTS.c.recovered_at)
Index(None, CHECKOUTS.c.instance_id, CHECKOUTS.c.recovered_at)

RECEIVED_EVENTS: Final = Table(
    "received_events",
    METADATA,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("abandoned_checkout_id", _text(), nullable=False),
    Column("event_id", _text(), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("is_anonymize_request", Boolean, nullable=False),
    Column("event_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("effect", String(16), nullable=False, comment="first, changed, known or nothing"),
    Column("changed", Text, nullable=False, comment="JSON list of names; never values"),
    comment="Each record of the source topic; no personal data.",
)
Index(None, RECEIVED_EVENTS.c.abandoned_checkout_id, RECEIVED_EVENTS.c.event_id)

ANNOUNCEMENTS: Final = Table(
    "announcements",
    METADATA,
    Column("event_id", _text(), primary_key=True),
    Column("abandoned_checkout_id", _text(), nullable=False),
    Column("type", String(32), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("source_event_id", _text(), nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("announced_at", BigInteger, nullable=False, comment="when Kafka had it"),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("changed", Text, nullable=False, comment="JSON list of names; never values"),
    comment="Each record of the lifecycle events; no personal data.",
)
Index(None, ANNOUNCEMENTS.c.abandoned_checkout_id, ANNOUNCEMENTS.c.revision)
Index(None, ANNOUNCEMENTS.c.partition, ANNOUNCEMENTS.c.offset)


def _cell() -> list[Column[Any]]:
    """Where something is counted."""
    return [
        Column("instance_id", _text(), primary_key=True, comment="empty: all sites together"),
        Column("hour", Integer, primary_key=True, autoincrement=False, comment="since 1970"),
        Column("partition", Integer, primary_key=True, autoincrement=False),
    ]


ACTIVITY: Final = Table(
    "activity",
    METADATA,
    *_cell(),
    Column("abandoned", Integer, nullable=False, comment="dated in the hour"),
    Column("recovered", Integer, nullable=False, comment="of these, so far"),
    Column("recoveries", Integer, nullable=False, comment="dated in the hour"),
    comment="Checkouts by the hour, without staff's. Follows from the table checkouts.",
)
Index(None, ACTIVITY.c.hour)

RECOVERY_TIMES: Final = Table(
    "recovery_times",
    METADATA,
    *_cell(),
    Column("bin", Integer, primary_key=True, autoincrement=False, comment="see domain.histogram"),
    Column("count", Integer, nullable=False),
    comment="Time to recovery of the hour's recoveries. Follows from the table checkouts.",
)
Index(None, RECOVERY_TIMES.c.hour)

TRAFFIC: Final = Table(
    "traffic",
    METADATA,
    Column("process", String(36), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False, comment="5 seconds, since 1970"),
    Column("received", Integer, nullable=False),
    Column("announced", Integer, nullable=False),
    Column("delays", Text, nullable=False, comment="JSON: bin of milliseconds, count"),
    comment="What each process has taken in of late. Follows from nothing else.",
)


def _rates() -> list[Column[Any]]:
    """One window's numbers. Rates are decimal text of six places, empty where there is none."""
    return [
        Column("as_of", BigInteger, nullable=False),
        *(
            Column(name, BigInteger, nullable=False)
            for name in (
                "flow_abandoned",
                "flow_recovered",
                "cohort_abandoned",
                "cohort_recovered",
                "matured_abandoned",
                "matured_recovered",
            )
        ),
        *(
            _key(name)
            for name in (
                "flow_ratio",
                "cohort_rate",
                "cohort_low",
                "cohort_high",
                "matured_rate",
                "matured_low",
                "matured_high",
            )
        ),
    ]


SITES: Final = Table(
    "sites",
    METADATA,
    Column("instance_id", _text(), primary_key=True),
    Column("site_id", _text()),
    Column("as_of", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("record", Text, nullable=False, comment="the newest record of the rates, as published"),
)
Index(None, SITES.c.site_id)
Index(None, SITES.c.partition, SITES.c.offset)

RATES: Final = Table(
    "rates",
    METADATA,
    Column("window", String(8), primary_key=True),
    Column("instance_id", _text(), primary_key=True),
    Column("site_id", _text()),
    *_rates(),
    comment="Of each site and window the newest numbers.",
)

RATES_HISTORY: Final = Table(
    "rates_history",
    METADATA,
    Column("instance_id", _text(), primary_key=True),
    Column("window", String(8), primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False, comment="since 1970, of as_of"),
    *_rates(),
    comment="The last numbers of each hour. Can't be made again from the topics.",
)
Index(None, RATES_HISTORY.c.hour)
