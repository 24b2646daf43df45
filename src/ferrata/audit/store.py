"""All SQL of this room: one insert and one question."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ferrata.audit.models import audit_records as table
from ferrata.audit.schemas import Actor, Record


def add(connection: Connection, record: Record) -> None:
    connection.execute(
        insert(table).values(
            id=record.id,
            at=record.at,
            actor_kind=record.actor.kind,
            actor_id=record.actor.id,
            actor_name=record.actor.name,
            action=record.action,
            target=record.target,
            store_id=record.store_id,
            before_json=_written(record.before),
            after_json=_written(record.after),
            request_id=record.request_id,
        )
    )


def newest(connection: Connection, before_id: str | None, limit: int) -> list[Record]:
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if before_id:
        query = query.where(table.c.id < before_id)
    return [_record(row) for row in connection.execute(query)]


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
    )
