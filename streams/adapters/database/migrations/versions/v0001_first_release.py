"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text() -> sa.Text:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "announcements",
        sa.Column("event_id", _text(), nullable=False),
        sa.Column("abandoned_checkout_id", _text(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("source_event_id", _text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("announced_at", sa.BigInteger(), nullable=False, comment="when Kafka had it"),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False, comment="JSON list of names; never values"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_announcements")),
        comment="Each record of the lifecycle events; no personal data.",
    )
    op.create_index(
        op.f("ix_announcements_abandoned_checkout_id_revision"),
        "announcements",
        ["abandoned_checkout_id", "revision"],
    )
    op.create_table(
        "checkouts",
        sa.Column("abandoned_checkout_id", _text(), nullable=False),
        sa.Column("instance_id", _text(), nullable=False),
        sa.Column("site_id", _text(), nullable=True),
        sa.Column(
            "entity", sa.Text(), nullable=False, comment="JSON, every field, as Wix would answer it"
        ),
        sa.Column(
            "knowledge", sa.LargeBinary(), nullable=False, comment="what the law needs for the next"
        ),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("is_anonymized", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("recovered_at", sa.BigInteger(), nullable=False, comment="known to the law"),
        sa.Column("currency", _text(), nullable=True),
        sa.Column("total_amount", _text(), nullable=False),
        sa.Column("total_converted_amount", _text(), nullable=False),
        sa.Column("status", _text(), nullable=True),
        sa.Column("status_key", _text(), nullable=False),
        sa.Column("contact_id", _text(), nullable=True),
        sa.Column("contact_id_key", _text(), nullable=False),
        sa.Column("email", _text(), nullable=True),
        sa.Column("email_key", _text(), nullable=False),
        sa.Column("visitor_id", _text(), nullable=True),
        sa.Column("visitor_id_key", _text(), nullable=False),
        sa.Column("member_id", _text(), nullable=True),
        sa.Column("member_id_key", _text(), nullable=False),
        sa.Column("user_id", _text(), nullable=True),
        sa.Column("user_id_key", _text(), nullable=False),
        sa.Column("first_name", _text(), nullable=True),
        sa.Column("first_name_key", _text(), nullable=False),
        sa.Column("last_name", _text(), nullable=True),
        sa.Column("last_name_key", _text(), nullable=False),
        sa.Column("activity_types", _text(), nullable=False),
        sa.Column("coupon_codes", _text(), nullable=False),
        sa.PrimaryKeyConstraint("abandoned_checkout_id", name=op.f("pk_checkouts")),
    )
    op.create_index(
        op.f("ix_checkouts_contact_id_key_abandoned_checkout_id"),
        "checkouts",
        ["contact_id_key", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_created_at_abandoned_checkout_id"),
        "checkouts",
        ["created_at", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_email_key_abandoned_checkout_id"),
        "checkouts",
        ["email_key", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_first_name_key_abandoned_checkout_id"),
        "checkouts",
        ["first_name_key", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_instance_id_created_at_abandoned_checkout_id"),
        "checkouts",
        ["instance_id", "created_at", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_last_name_key_abandoned_checkout_id"),
        "checkouts",
        ["last_name_key", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_member_id_key_abandoned_checkout_id"),
        "checkouts",
        ["member_id_key", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_site_id_created_at_abandoned_checkout_id"),
        "checkouts",
        ["site_id", "created_at", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_status_key_created_at_abandoned_checkout_id"),
        "checkouts",
        ["status_key", "created_at", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_total_amount_abandoned_checkout_id"),
        "checkouts",
        ["total_amount", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_total_converted_amount_abandoned_checkout_id"),
        "checkouts",
        ["total_converted_amount", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_updated_at_abandoned_checkout_id"),
        "checkouts",
        ["updated_at", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_user_id_key_abandoned_checkout_id"),
        "checkouts",
        ["user_id_key", "abandoned_checkout_id"],
    )
    op.create_index(
        op.f("ix_checkouts_visitor_id_key_abandoned_checkout_id"),
        "checkouts",
        ["visitor_id_key", "abandoned_checkout_id"],
    )
    op.create_table(
        "model",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        comment="One row: this database's own id. Processes that share it split the partitions.",
    )
    op.create_table(
        "positions",
        sa.Column("topic", _text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_positions")),
        comment="How far the other tables are; changed in one transaction with them.",
    )
    op.create_table(
        "rates",
        sa.Column("window", sa.String(length=8), nullable=False),
        sa.Column("instance_id", _text(), nullable=False),
        sa.Column("site_id", _text(), nullable=True),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("flow_abandoned", sa.BigInteger(), nullable=False),
        sa.Column("flow_recovered", sa.BigInteger(), nullable=False),
        sa.Column("cohort_abandoned", sa.BigInteger(), nullable=False),
        sa.Column("cohort_recovered", sa.BigInteger(), nullable=False),
        sa.Column("matured_abandoned", sa.BigInteger(), nullable=False),
        sa.Column("matured_recovered", sa.BigInteger(), nullable=False),
        sa.Column("flow_ratio", _text(), nullable=False),
        sa.Column("cohort_rate", _text(), nullable=False),
        sa.Column("cohort_low", _text(), nullable=False),
        sa.Column("cohort_high", _text(), nullable=False),
        sa.Column("matured_rate", _text(), nullable=False),
        sa.Column("matured_low", _text(), nullable=False),
        sa.Column("matured_high", _text(), nullable=False),
        sa.PrimaryKeyConstraint("window", "instance_id", name=op.f("pk_rates")),
        comment="Of each site and window the newest numbers.",
    )
    op.create_table(
        "rates_history",
        sa.Column("instance_id", _text(), nullable=False),
        sa.Column("window", sa.String(length=8), nullable=False),
        sa.Column(
            "hour",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="since 1970, of as_of",
        ),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("flow_abandoned", sa.BigInteger(), nullable=False),
        sa.Column("flow_recovered", sa.BigInteger(), nullable=False),
        sa.Column("cohort_abandoned", sa.BigInteger(), nullable=False),
        sa.Column("cohort_recovered", sa.BigInteger(), nullable=False),
        sa.Column("matured_abandoned", sa.BigInteger(), nullable=False),
        sa.Column("matured_recovered", sa.BigInteger(), nullable=False),
        sa.Column("flow_ratio", _text(), nullable=False),
        sa.Column("cohort_rate", _text(), nullable=False),
        sa.Column("cohort_low", _text(), nullable=False),
        sa.Column("cohort_high", _text(), nullable=False),
        sa.Column("matured_rate", _text(), nullable=False),
        sa.Column("matured_low", _text(), nullable=False),
        sa.Column("matured_high", _text(), nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "window", "hour", name=op.f("pk_rates_history")),
        comment="The last numbers of each hour. Can't be made again from the topics.",
    )
    op.create_index(op.f("ix_rates_history_hour"), "rates_history", ["hour"])
    op.create_table(
        "received_events",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("abandoned_checkout_id", _text(), nullable=False),
        sa.Column("event_id", _text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("is_anonymize_request", sa.Boolean(), nullable=False),
        sa.Column("event_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "effect",
            sa.String(length=16),
            nullable=False,
            comment="first, changed, known or nothing",
        ),
        sa.Column("changed", sa.Text(), nullable=False, comment="JSON list of names; never values"),
        sa.PrimaryKeyConstraint("partition", "offset", name=op.f("pk_received_events")),
        comment="Each record of the source topic; no personal data.",
    )
    op.create_index(
        op.f("ix_received_events_abandoned_checkout_id_event_id"),
        "received_events",
        ["abandoned_checkout_id", "event_id"],
    )
    op.create_table(
        "sites",
        sa.Column("instance_id", _text(), nullable=False),
        sa.Column("site_id", _text(), nullable=True),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column(
            "record",
            sa.Text(),
            nullable=False,
            comment="the newest record of the rates, as published",
        ),
        sa.PrimaryKeyConstraint("instance_id", name=op.f("pk_sites")),
    )
    op.create_index(op.f("ix_sites_site_id"), "sites", ["site_id"])
