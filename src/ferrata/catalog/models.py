"""One row per thing of a store's catalogue, deleted ones included: their version keeps older news from bringing them back."""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

things = Table(
    "catalog_things",
    metadata,
    Column("id", Id, primary_key=True),  # made from store, kind and external id: found without a second index
    Column("store_id", String(32), nullable=False),
    Column("kind", String(10), nullable=False),  # item, variant, category
    Column("external_id", String(255), nullable=False),
    Column("presence", String(10), nullable=False),  # present, deleted, or unheard: only referred to so far
    Column("title", String(255), nullable=False),  # for lists and the search
    Column("attributes", Text, nullable=False),  # JSON object under Klaviyo's names: all that is known
    Column("stamps", Text, nullable=False),  # JSON object: when each attribute was last told
    Column("item", String(255)),  # external id of a variant's item
    Column("categories", Text),  # JSON list of external ids; null: nothing was told about them
    Column("version", BigInteger),
    Column("changed_at", Instant, nullable=False),
    Column("content_hash", String(64)),  # of what was last handed to delivery
    Column("delivery_id", Id),  # the newest delivery of it
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_catalog_things_listed", "store_id", "updated_at", "id"),
    Index("ix_catalog_things_item", "store_id", "item"),
)

awaited = Table(
    "catalog_awaited",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("key", String(320), primary_key=True),  # of what is not there yet, such as "category:shoes"
    Column("thing_id", Id, primary_key=True),  # what refers to it, and is told once more when it comes
)
