"""The table of what was changed. Rows are added, never changed."""

from sqlalchemy import Column, Index, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

audit_records = Table(
    "audit_records",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor_kind", String(16), nullable=False),  # person, token, command, system
    Column("actor_id", String(80), nullable=False),
    Column("actor_name", String(120), nullable=False),
    Column("action", String(64), nullable=False),  # room.thing_done
    Column("target", String(160), nullable=False),
    Column("store_id", String(32)),
    Column("before_json", Text),  # masked
    Column("after_json", Text),  # masked
    Column("request_id", String(128)),
    Index("ix_audit_records_store_id_id", "store_id", "id"),
)
