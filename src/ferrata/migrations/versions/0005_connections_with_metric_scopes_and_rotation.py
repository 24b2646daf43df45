"""Connections know their account, conversion metric and scopes; replaced keys retire; stores can be archived."""

import sqlalchemy as sa
from alembic import op

from ferrata.infra.columns import Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("stores", schema=None) as batch_op:
        batch_op.add_column(sa.Column("archived_at", Instant(), nullable=True))
    with op.batch_alter_table("connections", schema=None) as batch_op:
        batch_op.add_column(sa.Column("fingerprint", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("former_quota_id", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("account", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("status_since", Instant(), nullable=True))
        batch_op.add_column(sa.Column("connected_at", Instant(), nullable=True))
        batch_op.add_column(sa.Column("conversion_metric_id", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("conversion_metric_name", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("is_shopify_order", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("scopes", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("scopes_checked_at", Instant(), nullable=True))
    op.create_table(
        "retiring_keys",
        sa.Column("store_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=36), nullable=False),
        sa.Column("sealed_key", sa.Text(), nullable=False),
        sa.Column("hint", sa.String(length=16), nullable=False),
        sa.Column("quota_id", sa.String(length=80), nullable=False),
        sa.Column("retired_at", Instant(), nullable=False),
        sa.Column("forget_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_retiring_keys_store_id_stores"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("store_id", "version", name=op.f("pk_retiring_keys")),
    )
    with op.batch_alter_table("retiring_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_retiring_keys_forget_at"), ["forget_at"], unique=False)
