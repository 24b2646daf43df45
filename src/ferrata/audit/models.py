"""What was done and what was refused, the chain that seals it, and the anchors that retention leaves behind.

Triggers of the database refuse every change to these rows (migration ``the audit is chained``); only what an anchor covers may be
deleted. A later migration that builds one of these tables anew on SQLite must make its triggers again.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

audit_records = Table(
    "audit_records",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor_kind", String(16), nullable=False),  # person, token, command, system, unknown
    Column("actor_id", String(80), nullable=False),
    Column("actor_name", String(120), nullable=False),
    Column("action", String(64), nullable=False),  # room.thing_done
    Column("target", String(160), nullable=False),
    Column("store_id", String(32)),
    Column("before_json", Text),  # masked
    Column("after_json", Text),  # masked
    Column("request_id", String(128)),
    Column("outcome", String(8), nullable=False, server_default="done"),  # done, refused
    Column("count", Integer, nullable=False, server_default="1"),  # attempts that this record stands for
    Column("address", String(64)),
    Column("via", String(160)),  # method and path of the request
    Index("ix_audit_records_store_id_id", "store_id", "id"),
    Index("ix_audit_records_actor_id_id", "actor_id", "id"),
    Index("ix_audit_records_action_id", "action", "id"),
    Index("ix_audit_records_target_id", "target", "id"),
)

audit_unsealed = Table(
    "audit_unsealed",
    metadata,
    Column("record_id", Id, primary_key=True),  # written with its record, taken away when it is sealed
)

audit_chain = Table(
    "audit_chain",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # from 1, without gaps
    Column("record_id", Id, nullable=False, unique=True),
    Column("hash", String(64), nullable=False),  # over the record and the hash before it
    Column("sealed_at", Instant, nullable=False),
)

audit_anchors = Table(
    "audit_anchors",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # everything up to here was, or may be, deleted
    Column("hash", String(64), nullable=False),  # of the last of them: what follows goes on from it
    Column("last_at", Instant, nullable=False),  # when the last of them was recorded
    Column("made_at", Instant, nullable=False),
)
