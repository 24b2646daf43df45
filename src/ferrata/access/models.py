"""Tables: people, their sessions and browsers, the tokens of programs, and the one-time tokens of the first start."""

from sqlalchemy import Column, ForeignKey, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

people = Table(
    "people",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", String(320), nullable=False, unique=True),  # lower case
    Column("name", String(120), nullable=False),
    Column("role", String(24), nullable=False),  # see schemas.Role
    Column("password_hash", String(255), nullable=False),  # argon2id
    Column("created_at", Instant, nullable=False),
    Column("signed_in_at", Instant),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),  # shown to people; the secret is another
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("agent", String(200), nullable=False),
    Column("address", String(64), nullable=False),
)

known_browsers = Table(
    "known_browsers",
    metadata,
    Column("secret_hash", String(64), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(120), nullable=False),
    Column("hint", String(16), nullable=False),  # the first characters, to recognise it by
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("store_id", String(32)),  # null: all stores
    Column("rights", Text, nullable=False),  # separated by spaces
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("used_at", Instant),
    Column("revoked_at", Instant),
)

setup_tokens = Table(
    "setup_tokens",
    metadata,
    Column("secret_hash", String(64), primary_key=True),
    Column("expires_at", Instant, nullable=False),
)
