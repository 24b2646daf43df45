"""Carts, their stories, and how stores want them have a place."""

import sqlalchemy as sa
from alembic import op

from ferrata.infra.columns import Instant

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "carts",
        sa.Column("store_id", sa.String(length=32), nullable=False),
        sa.Column("cart_id", sa.String(length=128), nullable=False),
        sa.Column("recovery_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("email", sa.String(length=100), nullable=True),
        sa.Column("phone", sa.String(length=16), nullable=True),
        sa.Column("external_id", sa.String(length=255), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("abandon_at", Instant(), nullable=True),
        sa.Column("abandoned_at", Instant(), nullable=True),
        sa.Column("abandonments", sa.Integer(), nullable=False),
        sa.Column("ordered_at", Instant(), nullable=True),
        sa.Column("order_id", sa.String(length=255), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", "cart_id", name=op.f("pk_carts")),
    )
    op.create_index("uq_carts_recovery_id", "carts", ["recovery_id"], unique=True)
    op.create_index("ix_carts_list", "carts", ["store_id", "updated_at", "cart_id"])
    op.create_index("ix_carts_email", "carts", ["store_id", "email"])
    waiting = sa.text("abandon_at IS NOT NULL")
    op.create_index("ix_carts_abandon_at", "carts", ["abandon_at"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_table(
        "cart_story",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("store_id", sa.String(length=32), nullable=False),
        sa.Column("cart_id", sa.String(length=128), nullable=False),
        sa.Column("act_id", sa.String(length=128), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("event_ids", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart_story")),
    )
    op.create_index("uq_cart_story_act_id", "cart_story", ["store_id", "cart_id", "act_id"], unique=True)
    op.create_index("ix_cart_story_list", "cart_story", ["store_id", "cart_id", "id"])
    op.create_table(
        "cart_settings",
        sa.Column("store_id", sa.String(length=32), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", name=op.f("pk_cart_settings")),
    )
