"""Tables: the OAuth installations of Klaviyo accounts, and authorizations that were begun and have not come back yet."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

oauth_installations = Table(
    "oauth_installations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("client_id", String(255), nullable=False),
    Column("account_id", String(64)),  # null: Klaviyo could not be asked yet
    Column("account_name", String(255)),
    Column("sealed_tokens", Text, nullable=False),  # infra.crypto, bound to this row: both tokens, always as one pair
    Column("generation", Integer, nullable=False),  # goes up with every pair: who writes must have read the last one
    Column("scopes", Text, nullable=False),
    Column("issued_at", Instant, nullable=False),  # of the access token
    Column("expires_at", Instant, nullable=False),
    Column("authorized_at", Instant, nullable=False),
    Column("claim", Id),  # whoever refreshes at the moment
    Column("claimed_at", Instant),
    Column("claimed_until", Instant),
    Column("unsure_at", Instant),  # a refresh set out then, and what Klaviyo answered was never written down
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("rests_until", Instant),  # not before, after a failed refresh
    Column("failure", Text),
    Column("lost_at", Instant),  # Klaviyo knows this installation no more
    Column("lost_reason", Text),
    Column("revoke_at", Instant),  # no store uses it: its tokens are to be withdrawn, not before this
    Index("ix_oauth_installations_account", "client_id", "account_id"),
)

oauth_starts = Table(
    "oauth_starts",
    metadata,
    Column("state_hash", String(64), primary_key=True),
    Column("store_id", String(32), ForeignKey("stores.id", ondelete="CASCADE"), nullable=False),
    Column("person_id", String(36), nullable=False),
    Column("session_id", String(36), nullable=False),
    Column("sealed_verifier", Text, nullable=False),  # bound to this row
    Column("redirect_uri", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
