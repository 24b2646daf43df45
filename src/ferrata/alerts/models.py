"""Tables: the channels, the messages to them, and each attempt to send one."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from ferrata.infra.columns import Id, Instant, metadata

alert_channels = Table(
    "alert_channels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("store_id", String(32), nullable=False),  # "": every store, and the installation
    Column("way", String(16), nullable=False),
    Column("name", String(120), nullable=False),
    Column("hint", String(300), nullable=False),
    Column("sealed_target", Text, nullable=False),  # an address may hold a secret; bound to this row
    Column("sealed_secret", Text),
    Column("sealed_former_secret", Text),
    Column("former_until", Instant),
    Column("kinds", Text, nullable=False, server_default=""),  # separated by spaces; "": all
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(255), nullable=False),
)

alert_notices = Table(
    "alert_notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("incident_id", Id),  # null: a test
    Column("channel_id", Id, ForeignKey("alert_channels.id", ondelete="CASCADE"), nullable=False),
    Column("saying", String(8), nullable=False),
    Column("body", Text, nullable=False),  # frozen: a repeat says the same, byte for byte
    Column("state", String(12), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at", Instant),
    Column("claim", Id),
    Column("claimed_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("outcome", Text),
    UniqueConstraint("incident_id", "channel_id", "saying", name="uq_alert_notices_said_once"),
    Index("ix_alert_notices_channel_id_id", "channel_id", "id"),
    Index(
        "ix_alert_notices_waiting",
        "next_at",
        sqlite_where=Column("state") == "waiting",
        postgresql_where=Column("state") == "waiting",
    ),
)

alert_tries = Table(
    "alert_tries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("notice_id", Id, ForeignKey("alert_notices.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("outcome", Text, nullable=False),
)
