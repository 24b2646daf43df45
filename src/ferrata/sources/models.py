"""Raw messages and what became of them, each source's settings in all their versions, runs through history, and counters."""

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

source_settings = Table(
    "source_settings",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("version", Integer, primary_key=True),  # the highest counts; older ones stay to be read and gone back to
    Column("enabled", Boolean, nullable=False),
    Column("document", Text, nullable=False),  # JSON: the source's settings without secrets, and the mapping rules
    Column("sealed", Text, nullable=False),  # JSON: its secrets by name, infra.crypto, bound to store and kind
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(255), nullable=False),
)

source_salts = Table(
    "source_salts",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("sealed", Text, nullable=False),  # what is mixed into hashes of this store's data; never changes
)

source_messages = Table(
    "source_messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("store_id", String(32), nullable=False),  # empty: it named a store that does not exist
    Column("kind", String(32), nullable=False),
    Column("message_id", String(255), nullable=False),  # the sender's own
    Column("business_key", String(255), nullable=False),
    Column("title", String(120), nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("envelope", Boolean, nullable=False),  # the body is a whole delivery that could not be opened or believed
    Column("history", Boolean, nullable=False),
    Column("state", String(12), nullable=False),  # see schemas.State
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant),  # not before, after a failed attempt
    Column("reason_code", String(64)),
    Column("reason", Text),
    Column("version", Integer),  # of the settings it was mapped with
    Column("mapped_at", Instant),
    Column("made", Text),  # JSON: see schemas.Made
    Column("skipped", Text),  # JSON: see contract.Skipped
    # The promise that one message is kept once.
    Index("uq_source_messages_message_id", "store_id", "kind", "message_id", unique=True),
    Index("ix_source_messages_list", "store_id", "kind", "id"),
    Index(
        "ix_source_messages_waiting",
        "store_id",
        "kind",
        "business_key",
        "id",
        sqlite_where=Column("state") == "waiting",
        postgresql_where=Column("state") == "waiting",
    ),
    Index(
        "ix_source_messages_refused",
        "store_id",
        "kind",
        "id",
        sqlite_where=Column("state") == "refused",
        postgresql_where=Column("state") == "refused",
    ),
)

source_hours = Table(
    "source_hours",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("hour", Instant, primary_key=True),
    Column("worker", String(80), primary_key=True),  # a row per process, so that none waits for another's lock
    Column("kept", Integer, nullable=False, server_default="0"),
    Column("repeated", Integer, nullable=False, server_default="0"),
    Column("mapped", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("refused", Integer, nullable=False, server_default="0"),
    Column("retried", Integer, nullable=False, server_default="0"),
)

source_backfills = Table(
    "source_backfills",
    metadata,
    Column("id", Id, primary_key=True),
    Column("store_id", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("backfill", String(32), nullable=False),  # what is read: orders, customers
    Column("since", Instant),
    Column("until", Instant, nullable=False),
    Column("state", String(12), nullable=False),  # see schemas.RunState
    Column("cursor", Text),
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("made", Integer, nullable=False, server_default="0"),
    Column("repeated", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("refused", Integer, nullable=False, server_default="0"),
    Column("total", Integer),
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("next_at", Instant),
    Column("note", Text),  # why it waits or has failed
    Column("started_by", String(255), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("worked_ms", Integer, nullable=False, server_default="0"),  # for the rate: without pauses
    Column("finished_at", Instant),
    # One run at a time of each history.
    Index(
        "uq_source_backfills_open",
        "store_id",
        "kind",
        "backfill",
        unique=True,
        sqlite_where=Column("finished_at").is_(None),
        postgresql_where=Column("finished_at").is_(None),
    ),
    Index("ix_source_backfills_list", "store_id", "id"),
)
