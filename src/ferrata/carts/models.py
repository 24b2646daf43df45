"""Carts, what happened to each, and how stores want them."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

carts = Table(
    "carts",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("cart_id", String(128), primary_key=True),  # the shop's own
    Column("recovery_id", Id, nullable=False),  # in links: tells nothing about cart or person
    Column("state", String(12), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("email", String(100)),
    Column("phone", String(16)),
    Column("external_id", String(255)),
    Column("document", Text, nullable=False),  # JSON: items, coupons, held events, address in the shop
    Column("opened_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("abandon_at", Instant),
    Column("abandoned_at", Instant),
    Column("abandonments", Integer, nullable=False),
    Column("ordered_at", Instant),
    Column("order_id", String(255)),
    Column("version", Integer, nullable=False),
    Index("uq_carts_recovery_id", "recovery_id", unique=True),
    Index("ix_carts_list", "store_id", "updated_at", "cart_id"),
    Index("ix_carts_email", "store_id", "email"),
    Index(
        "ix_carts_abandon_at",
        "abandon_at",
        sqlite_where=Column("abandon_at").is_not(None),
        postgresql_where=Column("abandon_at").is_not(None),
    ),
)

cart_story = Table(
    "cart_story",
    metadata,
    Column("id", Id, primary_key=True),
    Column("store_id", String(32), nullable=False),
    Column("cart_id", String(128), nullable=False),
    Column("act_id", String(128), nullable=False),
    Column("at", Instant, nullable=False),
    Column("what", String(20), nullable=False),
    Column("said", Text, nullable=False),
    Column("event_ids", Text, nullable=False),  # JSON
    # The promise that one act counts once.
    Index("uq_cart_story_act_id", "store_id", "cart_id", "act_id", unique=True),
    Index("ix_cart_story_list", "store_id", "cart_id", "id"),
)

cart_settings = Table(
    "cart_settings",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("document", Text, nullable=False),  # JSON: see schemas.Settings
    Column("sealed", Text, nullable=False),  # what recovery links are signed with, infra.crypto
)
