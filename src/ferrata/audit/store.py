"""All SQL of this room about records. The chain's is in ``chain_store.py``."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, or_, select

from ferrata.audit.models import audit_chain, audit_unsealed
from ferrata.audit.models import audit_records as table
from ferrata.audit.schemas import Actor, AuditFilter, Record
from ferrata.kit.ids import first_id_at


def add(connection: Connection, records: Sequence[Record]) -> None:
    """Keep records; they wait to be sealed."""
    if not records:
        return
    connection.execute(insert(table), [_values(record) for record in records])
    connection.execute(insert(audit_unsealed), [{"record_id": record.id} for record in records])


def newest(connection: Connection, filter_: AuditFilter, before_id: str | None, limit: int) -> list[Record]:
    """Newest first, before ``before_id``."""
    query = (
        select(table, audit_chain.c.seq, audit_chain.c.hash)
        .outerjoin(audit_chain, audit_chain.c.record_id == table.c.id)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    query = _filtered(query, filter_)
    if before_id:
        query = query.where(table.c.id < before_id)
    return [_record(row) for row in connection.execute(query)]


def counts(connection: Connection, filter_: AuditFilter) -> list[tuple[str, str, int, int]]:
    """By action and outcome: how many records, and how many attempts they stand for."""
    columns = (table.c.action, table.c.outcome, func.count(), func.sum(table.c["count"]))
    query = _filtered(select(*columns), filter_).group_by(table.c.action, table.c.outcome)
    rows = connection.execute(query.order_by(table.c.action, table.c.outcome))
    return [(row[0], row[1], row[2], int(row[3])) for row in rows]


def actions(connection: Connection) -> list[str]:
    """The names of what was ever done or refused."""
    return list(connection.execute(select(table.c.action).distinct().order_by(table.c.action)).scalars())


def _filtered(query: Select[Any], filter_: AuditFilter) -> Select[Any]:
    if filter_.actor:
        query = query.where(or_(table.c.actor_id == filter_.actor, table.c.actor_name == filter_.actor))
    if filter_.action:
        query = query.where(_named(table.c.action, filter_.action, "."))
    if filter_.target:
        query = query.where(_named(table.c.target, filter_.target, "/"))
    if filter_.store_id:
        query = query.where(table.c.store_id == filter_.store_id)
    if filter_.since:
        query = query.where(table.c.id >= first_id_at(filter_.since))
    if filter_.until:
        query = query.where(table.c.id < first_id_at(filter_.until))
    if filter_.refused is not None:
        query = query.where(table.c.outcome == ("refused" if filter_.refused else "done"))
    return query


def _named(column: Any, name: str, separator: str) -> Any:
    """The very name, or everything below it."""
    below = name if name.endswith(separator) else name + separator
    return or_(column == name, column.startswith(below, autoescape=True))


def _values(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.at,
        "actor_kind": record.actor.kind,
        "actor_id": record.actor.id[:80],
        "actor_name": record.actor.name[:120],
        "action": record.action[:64],
        "target": record.target[:160],
        "store_id": record.store_id,
        "before_json": _written(record.before),
        "after_json": _written(record.after),
        "request_id": record.request_id,
        "outcome": record.outcome,
        "count": record.count,
        "address": record.address[:64] if record.address else None,
        "via": record.via[:160] if record.via else None,
    }


def _written(values: Mapping[str, Any]) -> str | None:
    return json.dumps(values, sort_keys=True, default=str) if values else None


def _record(row: Row[Any]) -> Record:
    return Record(
        id=row.id,
        at=row.at,
        actor=Actor(row.actor_kind, row.actor_id, row.actor_name),
        action=row.action,
        target=row.target,
        store_id=row.store_id,
        before=json.loads(row.before_json or "{}"),
        after=json.loads(row.after_json or "{}"),
        request_id=row.request_id,
        outcome=row.outcome,
        count=row._mapping[table.c["count"]],
        address=row.address,
        via=row.via,
        seq=row.seq,
        hash=row.hash,
    )


def content(row: Any) -> list[object]:
    """What the chain covers of a row, in the order of the columns."""
    return [_plain(row._mapping[column]) for column in table.c]


def _plain(value: object) -> object:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value
