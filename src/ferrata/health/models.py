"""Tables: which processes are alive, and what the last question to Klaviyo showed."""

from sqlalchemy import Boolean, Column, Float, Integer, String, Table, Text

from ferrata.infra.columns import Instant, metadata

processes = Table(
    "processes",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("works", Boolean, nullable=False),  # delivers, and its loop goes round
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

klaviyo_probes = Table(
    "klaviyo_probes",
    metadata,
    Column("quota_id", String(80), primary_key=True),  # those who share a quota share the probe
    Column("version", String(36), nullable=False),  # of the credential that was probed
    Column("claimed_at", Instant, nullable=False),  # when somebody last set out to ask
    Column("checked_at", Instant),
    Column("outcome", String(32)),
    Column("status", Integer),
    Column("latency_ms", Float),
    Column("detail", Text),
)
