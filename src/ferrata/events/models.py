"""The accepted events, and how many were accepted in each minute.

``id`` is a UUID version 7 of the moment of acceptance, so a day or a page is a range of ids and needs no column of its own.
JSON is kept as the text that arrived: numbers are never parsed and written again.
"""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

events = Table(
    "events",
    metadata,
    Column("store_id", String(32), primary_key=True),  # first in the key: lists, days and counts are ranges of one store
    Column("id", Id, primary_key=True),
    Column("event_id", String(255)),  # the sender's own
    Column("metric", String(127), nullable=False),
    Column("email", String(100)),
    Column("phone", String(16)),
    Column("external_id", String(255)),
    Column("occurred_at", Instant, nullable=False),
    Column("time_given", Boolean, nullable=False),  # false: the sender named no time, occurred_at is that of acceptance
    Column("value", String(64)),  # a JSON number as it was written
    Column("currency", String(3)),
    Column("attributes", Text),  # a JSON object as it was written
    Column("profile_attributes", Text),  # a JSON object as it was written
    Column("source", String(32), nullable=False),
    Column("backfill", Boolean, nullable=False),
    Column("deliverable", Boolean, nullable=False),  # false: it names nobody, so it is kept and never sent
    Column("notes", Text),  # what was left out or changed on the way to Klaviyo; one note a line
    # Names of metrics, counts by metric and day, and the filter by metric.
    Index("ix_events_metric", "store_id", "metric", "id"),
    # All events of a person, and the filter by e-mail.
    Index(
        "ix_events_email",
        "store_id",
        "email",
        "id",
        sqlite_where=Column("email").is_not(None),
        postgresql_where=Column("email").is_not(None),
    ),
    # The promise that one event id is kept once.
    Index(
        "uq_events_event_id",
        "store_id",
        "event_id",
        unique=True,
        sqlite_where=Column("event_id").is_not(None),
        postgresql_where=Column("event_id").is_not(None),
    ),
)

event_minutes = Table(
    "event_minutes",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("minute", Instant, primary_key=True),
    Column("worker", String(80), primary_key=True),  # a row per process and unit, so that none waits for another's lock
    Column("accepted", Integer, nullable=False),
)
