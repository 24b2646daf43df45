"""One row per store and person."""

from sqlalchemy import Column, Index, String, Table, Text

from ferrata.infra.columns import Id, Instant, metadata

profiles = Table(
    "profiles",
    metadata,
    Column("id", Id, primary_key=True),  # made from store and person (schemas.profile_id): found without a second index
    Column("store_id", String(32), nullable=False),
    Column("person", String(320), nullable=False),  # e.g. "email:jane@shop.com"
    Column("email", String(100)),
    Column("phone", String(16)),
    Column("external_id", String(255)),
    Column("attributes", Text, nullable=False),  # JSON in Klaviyo's shape: standard names, location, properties
    Column("last_event_name", String(127)),
    Column("last_event_id", Id),
    Column("last_event_at", Instant),
    Column("klaviyo_id", String(64)),
    Column("klaviyo_read_at", Instant),  # set: Klaviyo knows this person, so having no event here does not make an orphan
    Column("change_id", String(255)),  # of the newest change that came from outside of events
    Column("changed_at", Instant),  # when that change was made
    Column("delivery_id", Id),  # the newest delivery of a change
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # Lists of a store's profiles, newest first, and the search for those without events.
    Index("ix_profiles_store", "store_id", "created_at", "id"),
)
