"""What messages of a source teach later ones has a place."""

import sqlalchemy as sa
from alembic import op

from ferrata.infra.columns import Instant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "source_memory",
        sa.Column("store_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", "kind", "key", name=op.f("pk_source_memory")),
    )
