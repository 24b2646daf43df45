"""Tables: stores, and each store's connection to Klaviyo."""

from sqlalchemy import Column, ForeignKey, String, Table, Text

from ferrata.infra.columns import Instant, metadata

stores = Table(
    "stores",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("created_at", Instant, nullable=False),
)

connections = Table(
    "connections",
    metadata,
    Column("store_id", String(32), ForeignKey("stores.id", ondelete="CASCADE"), primary_key=True),
    Column("version", String(36), nullable=False),  # another with every key that is set
    Column("sealed_key", Text, nullable=False),  # infra.crypto, bound to this row; empty for OAuth
    Column("installation_id", String(36)),  # of oauth_installations, where the store is connected by OAuth
    Column("hint", String(16), nullable=False),  # the key's last four characters
    Column("quota_id", String(80), nullable=False),
    Column("account_id", String(64)),
    Column("account_name", String(255)),
    Column("status", String(16), nullable=False),  # connected, error
    Column("detail", Text),
    Column("tested_at", Instant),
    Column("created_at", Instant, nullable=False),
)
