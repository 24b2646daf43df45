"""Flags per store and metric, the switch that stops sending, and deliveries that are held back."""

import sqlalchemy as sa
from alembic import op

from ferrata.infra.columns import Instant

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "flags",
        sa.Column("store_id", sa.String(length=32), nullable=False),
        sa.Column("metric", sa.String(length=127), nullable=False),
        sa.Column("mode", sa.String(length=12), nullable=False),
        sa.Column("percentage", sa.Integer(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("changed_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("store_id", "metric", name=op.f("pk_flags")),
    )
    versions = op.create_table(
        "flag_versions",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_flag_versions")),
    )
    op.bulk_insert(versions, [{"name": "flags", "version": 0}])
    op.create_table(
        "delivery_stops",
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_delivery_stops")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_deliveries_held",
            ["store_id", "reason_pointer", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'held'"),
            postgresql_where=sa.text("state = 'held'"),
        )


def downgrade() -> None:
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_deliveries_held", sqlite_where=sa.text("state = 'held'"), postgresql_where=sa.text("state = 'held'")
        )
    op.drop_table("delivery_stops")
    op.drop_table("flag_versions")
    op.drop_table("flags")
