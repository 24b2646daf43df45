"""Changes of profiles and the catalogue are delivered, beside events."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from ferrata.infra.columns import Instant

revision = "0007"
down_revision = "0006"

ADDED: tuple[tuple[str, sa.Column[Any]], ...] = (
    ("deliveries", sa.Column("form", sa.String(length=24), server_default="", nullable=False)),
    ("deliveries", sa.Column("turns", sa.SmallInteger(), server_default="0", nullable=False)),
    ("deliveries", sa.Column("after", sa.Text(), nullable=True)),
    ("deliveries", sa.Column("superseded_by", sa.String(length=36), nullable=True)),
    ("batches", sa.Column("job_id", sa.String(length=255), nullable=True)),
    ("profiles", sa.Column("change_id", sa.String(length=255), nullable=True)),
    ("profiles", sa.Column("changed_at", Instant(), nullable=True)),
    ("profiles", sa.Column("delivery_id", sa.String(length=36), nullable=True)),
)


def upgrade() -> None:
    op.create_table(
        "catalog_things",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("store_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("presence", sa.String(length=10), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("stamps", sa.Text(), nullable=False),
        sa.Column("item", sa.String(length=255), nullable=True),
        sa.Column("categories", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("delivery_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_things")),
    )
    op.create_index("ix_catalog_things_listed", "catalog_things", ["store_id", "updated_at", "id"])
    op.create_index("ix_catalog_things_item", "catalog_things", ["store_id", "item"])
    op.create_table(
        "catalog_awaited",
        sa.Column("store_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=320), nullable=False),
        sa.Column("thing_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("store_id", "key", "thing_id", name=op.f("pk_catalog_awaited")),
    )
    for table, column in ADDED:
        op.add_column(table, column)
    op.create_index(
        "ix_deliveries_of_thing",
        "deliveries",
        ["store_id", "person", "id"],
        sqlite_where=sa.text("family != 'events'"),
        postgresql_where=sa.text("family != 'events'"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_of_thing", "deliveries")
    for table, column in reversed(ADDED):
        op.drop_column(table, column.name)
    op.drop_table("catalog_awaited")
    op.drop_index("ix_catalog_things_item", "catalog_things")
    op.drop_index("ix_catalog_things_listed", "catalog_things")
    op.drop_table("catalog_things")
