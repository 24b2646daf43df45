"""The audit is chained, and the database refuses to change it; refused attempts, addresses and origins are kept in it."""

import sqlalchemy as sa
from alembic import op

from ferrata.infra.columns import Instant

revision = "0006"
down_revision = "0005"

# What allows a deletion, by table: an anchor that covers the row. Anchors themselves stay.
_COVERED = {
    "audit_records": "EXISTS (SELECT 1 FROM audit_chain c JOIN audit_anchors a ON a.seq >= c.seq WHERE c.record_id = OLD.id)",
    "audit_chain": "EXISTS (SELECT 1 FROM audit_anchors a WHERE a.seq >= OLD.seq)",
    "audit_anchors": "1 = 0",
}
_TRUE_ANCHOR = "EXISTS (SELECT 1 FROM audit_chain c WHERE c.seq = NEW.seq AND c.hash = NEW.hash)"


def upgrade() -> None:
    with op.batch_alter_table("audit_records", schema=None) as batch_op:
        batch_op.add_column(sa.Column("outcome", sa.String(length=8), server_default="done", nullable=False))
        batch_op.add_column(sa.Column("count", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("address", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("via", sa.String(length=160), nullable=True))
        batch_op.create_index("ix_audit_records_actor_id_id", ["actor_id", "id"], unique=False)
        batch_op.create_index("ix_audit_records_action_id", ["action", "id"], unique=False)
        batch_op.create_index("ix_audit_records_target_id", ["target", "id"], unique=False)
    op.create_table(
        "audit_unsealed",
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_audit_unsealed")),
    )
    op.create_table(
        "audit_chain",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("sealed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_chain")),
        sa.UniqueConstraint("record_id", name=op.f("uq_audit_chain_record_id")),
    )
    op.create_table(
        "audit_anchors",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_anchors")),
    )
    op.execute("INSERT INTO audit_unsealed (record_id) SELECT id FROM audit_records")
    if op.get_bind().dialect.name == "postgresql":
        _protect_postgresql()
    else:
        _protect_sqlite()


def _protect_sqlite() -> None:
    for table, covered in _COVERED.items():
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN NOT ({covered}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    op.execute(
        f"CREATE TRIGGER audit_anchors_true BEFORE INSERT ON audit_anchors WHEN NOT ({_TRUE_ANCHOR}) "
        "BEGIN SELECT RAISE(ABORT, 'an anchor stands at a link of the chain'); END"
    )


def _protect_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION ferrata_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table, covered in _COVERED.items():
        op.execute(
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} FOR EACH ROW "
            "EXECUTE FUNCTION ferrata_audit_is_append_only()"
        )
        # A condition of WHEN may hold no subquery, so the function that looks is one for each table.
        op.execute(
            f"CREATE FUNCTION ferrata_{table}_delete() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF {covered} THEN RETURN OLD; END IF; RAISE EXCEPTION '{table} is append-only'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION ferrata_{table}_delete()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT "
            "EXECUTE FUNCTION ferrata_audit_is_append_only()"
        )
    op.execute(
        "CREATE FUNCTION ferrata_audit_anchor() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {_TRUE_ANCHOR} THEN RETURN NEW; END IF; "
        "RAISE EXCEPTION 'an anchor stands at a link of the chain'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_anchors_true BEFORE INSERT ON audit_anchors FOR EACH ROW EXECUTE FUNCTION ferrata_audit_anchor()"
    )


def downgrade() -> None:
    for table in _COVERED:
        triggers = ["no_update", "no_delete", "no_truncate"] if op.get_bind().dialect.name == "postgresql" else []
        for trigger in triggers:
            op.execute(f"DROP TRIGGER {table}_{trigger} ON {table}")
    op.drop_table("audit_anchors")
    op.drop_table("audit_chain")
    op.drop_table("audit_unsealed")
    with op.batch_alter_table("audit_records", schema=None) as batch_op:
        for name in ("actor_id", "action", "target"):
            batch_op.drop_index(f"ix_audit_records_{name}_id")
        for name in ("via", "address", "count", "outcome"):
            batch_op.drop_column(name)
