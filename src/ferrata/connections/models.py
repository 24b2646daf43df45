"""Tables: stores, each store's connection to Klaviyo, and keys that were replaced while they were in use."""

from sqlalchemy import Boolean, Column, ForeignKey, String, Table, Text, false

from ferrata.infra.columns import Instant, metadata

stores = Table(
    "stores",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),  # null: in use
)

connections = Table(
    "connections",
    metadata,
    Column("store_id", String(32), ForeignKey("stores.id", ondelete="CASCADE"), primary_key=True),
    Column("version", String(36), nullable=False),  # another with every key or installation that is set
    Column("sealed_key", Text, nullable=False),  # infra.crypto, bound to this row; empty for OAuth
    Column("installation_id", String(36)),  # of oauth_installations, where the store is connected by OAuth
    Column("hint", String(16), nullable=False),  # the key's last four characters
    Column("fingerprint", String(16)),  # of the key: the same one set again changes nothing
    Column("quota_id", String(80), nullable=False),
    Column("former_quota_id", String(80)),  # under which the same key was counted before its account was known
    Column("account_id", String(64)),
    Column("account_name", String(255)),
    Column("account", Text),  # JSON: the account's attributes, as Klaviyo gave them
    Column("status", String(16), nullable=False),  # see schemas.Status
    Column("status_since", Instant),
    Column("detail", Text),
    Column("tested_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("connected_at", Instant),  # the first time that this account was connected; a new key does not change it
    Column("conversion_metric_id", String(64)),
    Column("conversion_metric_name", String(255)),
    Column(
        "is_shopify_order", Boolean, nullable=False, server_default=false()
    ),  # the conversion metric is Shopify's Placed Order
    Column("scopes", Text),  # JSON: scope -> present, missing, unknown
    Column("scopes_checked_at", Instant),
)

retiring_keys = Table(
    "retiring_keys",
    metadata,
    Column("store_id", String(32), ForeignKey("stores.id", ondelete="CASCADE"), primary_key=True),
    Column("version", String(36), primary_key=True),
    Column("sealed_key", Text, nullable=False),  # infra.crypto, bound to this row
    Column("hint", String(16), nullable=False),
    Column("quota_id", String(80), nullable=False),
    Column("retired_at", Instant, nullable=False),
    Column("forget_at", Instant, nullable=False, index=True),  # by then no request made with it can be under way
)
