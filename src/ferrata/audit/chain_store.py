"""The SQL of the chain: seal what waits, walk along it, anchor and delete what is old."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, text

from ferrata.audit import store
from ferrata.audit.chain import GENESIS, seal
from ferrata.audit.models import audit_anchors, audit_chain, audit_records, audit_unsealed
from ferrata.audit.schemas import Anchor, Behind, Head
from ferrata.kit.ids import first_id_at

_LOCK = 7_305_813
TRIGGERS = frozenset(
    f"{table}_{act}" for table in ("audit_records", "audit_chain", "audit_anchors") for act in ("no_update", "no_delete")
) | {"audit_anchors_true"}


def is_anything_unsealed(connection: Connection) -> bool:
    return connection.execute(select(audit_unsealed.c.record_id).limit(1)).first() is not None


def waiting(connection: Connection) -> Behind | None:
    """How many wait to be sealed, and since when."""
    of_both = audit_unsealed.join(audit_records, audit_records.c.id == audit_unsealed.c.record_id)
    row = connection.execute(select(func.count(), func.min(audit_records.c.at)).select_from(of_both)).one()
    return Behind(row[0], row[1]) if row[0] else None


def seal_some(connection: Connection, now: datetime, limit: int) -> Head | None:
    """Seal what waits, up to ``limit`` records, in the order of their ids; None if nothing did. One transaction at a time."""
    _one_at_a_time(connection)
    waiting = select(audit_records).join(audit_unsealed, audit_unsealed.c.record_id == audit_records.c.id)
    rows = connection.execute(waiting.order_by(audit_records.c.id).limit(limit)).all()
    if not rows:
        return None
    last = head(connection)
    sealed = []
    for row in rows:
        seq = last.seq + 1
        last = Head(seq, seal(last.hash, seq, store.content(row)))
        sealed.append({"seq": seq, "record_id": row.id, "hash": last.hash, "sealed_at": now})
    connection.execute(insert(audit_chain), sealed)
    ids = [each["record_id"] for each in sealed]
    connection.execute(delete(audit_unsealed).where(audit_unsealed.c.record_id.in_(ids)))
    return last


def _one_at_a_time(connection: Connection) -> None:
    """Only who seals or anchors takes this lock, and takes no other after it. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def head(connection: Connection) -> Head:
    """The end of the chain; that of the last anchor where all of it has been deleted."""
    query = select(audit_chain.c.seq, audit_chain.c.hash).order_by(audit_chain.c.seq.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    if row:
        return Head(row.seq, row.hash)
    anchor = last_anchor(connection)
    return Head(anchor.seq, anchor.hash) if anchor else Head(0, GENESIS)


def last_anchor(connection: Connection) -> Anchor | None:
    row = connection.execute(select(audit_anchors).order_by(audit_anchors.c.seq.desc()).limit(1)).one_or_none()
    return Anchor(row.seq, row.hash, row.last_at, row.made_at) if row else None


def links(connection: Connection, after: int, limit: int) -> Sequence[Row[Any]]:
    """The chain in its order, each link with its record; the record's ``id`` is None where there is none."""
    query = (
        select(audit_chain.c.seq, audit_chain.c.record_id, audit_chain.c.hash, *audit_records.c)
        .outerjoin(audit_records, audit_records.c.id == audit_chain.c.record_id)
        .where(audit_chain.c.seq > after)
    )
    return connection.execute(query.order_by(audit_chain.c.seq).limit(limit)).all()


def unsealed(connection: Connection, before: datetime) -> tuple[int, str | None]:
    """How many records are not in the chain, and the first of them that was recorded before that instant, if any."""
    loose = select(audit_records.c.id).outerjoin(audit_chain, audit_chain.c.record_id == audit_records.c.id)
    loose = loose.where(audit_chain.c.record_id.is_(None))
    count = connection.execute(select(func.count()).select_from(loose.subquery())).scalar_one()
    old = loose.where(audit_records.c.id < first_id_at(before)).order_by(audit_records.c.id).limit(1)
    return count, connection.execute(old).scalar_one_or_none()


def triggers(connection: Connection) -> set[str]:
    """The names of those that are in place."""
    if connection.dialect.name == "postgresql":
        rows = connection.execute(text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"))
    else:
        rows = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
    return set(rows.scalars())


def anchor_before(connection: Connection, before: datetime, now: datetime) -> Anchor | None:
    """Anchor the chain's beginning that was recorded before that instant; None if there is nothing of it left to delete."""
    _one_at_a_time(connection)
    of_chain = audit_chain.join(audit_records, audit_records.c.id == audit_chain.c.record_id)
    young = select(func.min(audit_chain.c.seq)).select_from(of_chain).where(audit_records.c.at >= before).scalar_subquery()
    query = select(audit_chain.c.seq, audit_chain.c.hash, audit_records.c.at).select_from(of_chain)
    query = query.where(audit_chain.c.seq < func.coalesce(young, audit_chain.c.seq + 1))
    row = connection.execute(query.order_by(audit_chain.c.seq.desc()).limit(1)).one_or_none()
    if row is None:
        return last_anchor(connection)
    anchor = Anchor(row.seq, row.hash, row.at, now)
    if connection.execute(select(audit_anchors.c.seq).where(audit_anchors.c.seq == row.seq)).first() is None:
        connection.execute(
            insert(audit_anchors).values(seq=anchor.seq, hash=anchor.hash, last_at=anchor.last_at, made_at=anchor.made_at)
        )
    return anchor


def delete_anchored(connection: Connection, anchor: Anchor, limit: int) -> int:
    """Delete up to ``limit`` records that the anchor covers, the oldest first; returns how many."""
    query = select(audit_chain.c.seq, audit_chain.c.record_id).where(audit_chain.c.seq <= anchor.seq)
    rows = connection.execute(query.order_by(audit_chain.c.seq).limit(limit)).all()
    if rows:
        # The records first: what allows their deletion is that their links are covered.
        connection.execute(delete(audit_records).where(audit_records.c.id.in_([row.record_id for row in rows])))
        connection.execute(delete(audit_chain).where(audit_chain.c.seq.in_([row.seq for row in rows])))
    return len(rows)
