"""The outbox and its books.

A delivery is one frozen request part on its way to Klaviyo; a batch is frozen before its first send.
"""

from sqlalchemy import Boolean, Column, Index, Integer, SmallInteger, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),  # that of its subject (the event): sorts by acceptance
    Column("store_id", String(32), nullable=False),
    Column("family", String(24), nullable=False),
    Column("priority", SmallInteger, nullable=False),  # 0 live, 1 history
    Column("person", String(320), nullable=False),  # whose order must be kept: the strongest identifier
    Column("unique_id", String(255), nullable=False),
    Column("subject_json", Text, nullable=False),  # frozen at acceptance, sent byte for byte
    Column("profile_json", Text, nullable=False),
    Column("size", Integer, nullable=False),  # bytes of both, as UTF-8
    Column("state", String(12), nullable=False),  # see schemas.State
    Column("alone", Boolean, nullable=False, server_default="0"),  # was in an attempt before: never into a new batch
    Column("batch_id", Id),
    Column("position", Integer),
    Column("earlier_batches", Text),  # ids, separated by spaces
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("accepted_at", Instant, nullable=False),
    Column("next_at", Instant),  # not before, after a failed attempt of its own
    Column("finished_at", Instant),
    Column("reason_code", String(64)),
    Column("reason_pointer", String(255)),
    Column("reason_detail", Text),
    Column("form", String(24), nullable=False, server_default=""),  # which of its family's requests; empty: the first
    Column("turns", SmallInteger, nullable=False, server_default="0"),  # how often its form has changed
    Column("after", Text),  # JSON list of other persons that go first
    Column("superseded_by", Id),  # a newer delivery of the same thing: this one is never replayed over it
    Index(
        "ix_deliveries_waiting",
        "store_id",
        "family",
        "priority",
        "id",
        sqlite_where=Column("state") == "waiting",
        postgresql_where=Column("state") == "waiting",
    ),
    Index(
        "ix_deliveries_sending",
        "store_id",
        "family",
        "batch_id",
        sqlite_where=Column("state") == "sending",
        postgresql_where=Column("state") == "sending",
    ),
    Index(
        "ix_deliveries_held",
        "store_id",
        "reason_pointer",
        "id",
        sqlite_where=Column("state") == "held",
        postgresql_where=Column("state") == "held",
    ),
    Index(
        "ix_deliveries_of_thing",  # what is told of one thing or profile; events are found by themselves
        "store_id",
        "person",
        "id",
        sqlite_where=Column("family") != "events",
        postgresql_where=Column("family") != "events",
    ),
    Index(
        "ix_deliveries_dead",
        "store_id",
        "finished_at",
        "id",
        sqlite_where=Column("state") == "dead",
        postgresql_where=Column("state") == "dead",
    ),
)

delivery_stops = Table(
    "delivery_stops",
    metadata,
    Column("scope", String(32), primary_key=True),  # a store, or "*"
    Column("by", String(120), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("at", Instant, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("store_id", String(32), nullable=False),
    Column("family", String(24), nullable=False),
    Column("item_count", Integer, nullable=False),
    Column("body_sha256", String(64), nullable=False),
    Column("state", String(12), nullable=False),  # open, delivered, divided (into batches or single sends), dead
    Column("parent_id", Id),
    Column("uncertain", Boolean, nullable=False),  # an earlier attempt may have been executed
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("refusals", Integer, nullable=False, server_default="0"),  # 400s in its line of descent
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant),
    Column("finished_at", Instant),
    Column("job_id", String(255)),  # under which Klaviyo carries it out, where it gives a job
    Index(
        "ix_batches_open",
        "store_id",
        "family",
        "id",
        sqlite_where=Column("state") == "open",
        postgresql_where=Column("state") == "open",
    ),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("store_id", String(32), nullable=False),
    Column("family", String(24), nullable=False),
    Column("quota_id", String(80), nullable=False),
    Column("operation", String(80), nullable=False),
    Column("delivery_id", Id),  # of a single send
    Column("batch_id", Id),  # of a bulk job
    Column("item_count", Integer, nullable=False),
    Column("worker", String(80), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("status", Integer),
    Column("request_id", String(128)),
    Column("answer_excerpt", Text),
    Column("rate_state", String(255)),
    Column("decision", Text, nullable=False),  # what was done about it, in words
    Index("ix_attempts_quota_id_started_at", "quota_id", "started_at"),
    Index("ix_attempts_store_id_id", "store_id", "id"),
    Index(
        "ix_attempts_delivery_id",
        "delivery_id",
        sqlite_where=Column("delivery_id").is_not(None),
        postgresql_where=Column("delivery_id").is_not(None),
    ),
    Index(
        "ix_attempts_batch_id",
        "batch_id",
        sqlite_where=Column("batch_id").is_not(None),
        postgresql_where=Column("batch_id").is_not(None),
    ),
)

lanes = Table(
    "lanes",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("family", String(24), primary_key=True),
    Column("quota_id", String(80)),  # whose quota it spends, since the last time it ran
    Column("parked_code", String(64)),  # null: open
    Column("parked_detail", Text),
    Column("parked_at", Instant),
    Column("probe_at", Instant),
    Column("probes", Integer, nullable=False, server_default="0"),
    Column("last_success_at", Instant),
)

quotas = Table(
    "quotas",
    metadata,
    Column("quota_id", String(80), primary_key=True),
    Column("operation", String(80), primary_key=True),  # "*" holds the account's breaker
    Column("blocked_at", Instant),
    Column("blocked_until", Instant),
    Column("reason", Text),
    Column("failures", Integer, nullable=False, server_default="0"),
)

delivery_minutes = Table(
    "delivery_minutes",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("minute", Instant, primary_key=True),
    Column("worker", String(80), primary_key=True),  # a row per process, so that none waits for another's lock
    Column("delivered", Integer, nullable=False, server_default="0"),
    Column("dead", Integer, nullable=False, server_default="0"),
    Column("discarded", Integer, nullable=False, server_default="0"),
    Column("requests", Integer, nullable=False, server_default="0"),
    Column("throttled", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
)
