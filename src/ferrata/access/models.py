"""Tables: people, their roles in stores, their sessions and browsers, the tokens of programs, and secrets good for one use."""

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from ferrata.infra.columns import Id, Instant, metadata

people = Table(
    "people",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", String(320), nullable=False, unique=True),  # lower case
    Column("name", String(120), nullable=False),
    Column("role", String(24), nullable=False),  # see schemas.Role
    Column("password_hash", String(255), nullable=False),  # argon2id; empty: signs in with OIDC only
    Column("created_at", Instant, nullable=False),
    Column("signed_in_at", Instant),
)

members = Table(
    "members",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", String(40), nullable=False),  # one that every store has, or one of this store's
    Column("created_at", Instant, nullable=False),
)

store_roles = Table(
    "store_roles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("store_id", String(32), nullable=False),
    Column("name", String(40), nullable=False),
    Column("level", Integer, nullable=False),
    Column("rights", Text, nullable=False),  # separated by spaces
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("store_id", "name"),
)

one_time_links = Table(
    "one_time_links",
    metadata,
    Column("id", Id, primary_key=True),  # shown to people; the secret is another
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("purpose", String(16), nullable=False),  # invitation, reset
    Column("email", String(320), nullable=False),
    Column("store_id", String(32)),  # null: about the whole installation
    Column("role", String(40), nullable=False),  # empty for a reset
    Column("made_by", String(80), nullable=False),
    Column("made_by_name", String(120), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("withdrawn_at", Instant),
)

identities = Table(  # who somebody is at an OpenID provider
    "identities",
    metadata,
    Column("issuer", String(255), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
)

oidc_attempts = Table(
    "oidc_attempts",
    metadata,
    Column("state_hash", String(64), primary_key=True),
    Column("browser_hash", String(64), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("wanted", Text, nullable=False),  # where to go afterwards
    Column("expires_at", Instant, nullable=False),
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
    Column("made_by", Id),  # the person, if it was one: it may never do more than they may
    Column("made_with", Id),  # the token by which it was asked for, if it was one: revoking that revokes this
)

setup_tokens = Table(
    "setup_tokens",
    metadata,
    Column("secret_hash", String(64), primary_key=True),
    Column("expires_at", Instant, nullable=False),
)
