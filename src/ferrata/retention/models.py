"""The history of cleanup runs."""

from sqlalchemy import Column, Date, Index, Integer, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

cleanup_runs = Table(
    "cleanup_runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("store_id", String(32)),  # null: every store
    Column("trigger", String(16), nullable=False),  # schedule, manual
    Column("actor", String(255), nullable=False),
    Column("retention_days", Integer, nullable=False),
    Column("cutoff_day", Date, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),  # of its last step: one that was killed shows no more
    Column("finished_at", Instant),
    Column("error", Text),
    # What it has deleted so far, counted in the very transactions that delete.
    Column("events", Integer, nullable=False, server_default="0"),
    Column("profiles", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("batches", Integer, nullable=False, server_default="0"),
    Column("kept_undelivered", Integer, nullable=False, server_default="0"),
    Index(
        "ix_cleanup_runs_unfinished",
        "seen_at",
        sqlite_where=Column("finished_at").is_(None),
        postgresql_where=Column("finished_at").is_(None),
    ),
)
