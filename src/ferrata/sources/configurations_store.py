"""The settings of sources in SQL: versions are added, never changed."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from ferrata.infra.crypto import SecretBox
from ferrata.infra.resealing import reseal_column, reseal_documents
from ferrata.sources.models import source_salts, source_settings


@dataclass(frozen=True, slots=True)
class Kept:
    """One version as it is kept: ``document`` holds no secret, ``sealed`` holds them by their place."""

    store_id: str
    kind: str
    version: int
    enabled: bool
    document: dict[str, Any]
    sealed: dict[str, str]
    created_at: datetime
    created_by: str


def _kept(row: Row[Any]) -> Kept:
    texts = {"document": json.loads(row.document), "sealed": json.loads(row.sealed)}
    return Kept(**{**row._mapping, **texts})


def newest(connection: Connection, store_id: str, kind: str) -> Kept | None:
    query = select(source_settings).where(source_settings.c.store_id == store_id, source_settings.c.kind == kind)
    row = connection.execute(query.order_by(source_settings.c.version.desc()).limit(1)).one_or_none()
    return _kept(row) if row else None


def versions(connection: Connection, store_id: str, kind: str, limit: int = 50) -> list[Kept]:
    """Newest first."""
    query = select(source_settings).where(source_settings.c.store_id == store_id, source_settings.c.kind == kind)
    return [_kept(row) for row in connection.execute(query.order_by(source_settings.c.version.desc()).limit(limit))]


def all_newest(connection: Connection) -> list[tuple[str, str, bool]]:
    """Store, kind and whether it is switched on, of everything that is set up."""
    last = (
        select(source_settings.c.store_id, source_settings.c.kind, func.max(source_settings.c.version).label("version"))
        .group_by(source_settings.c.store_id, source_settings.c.kind)
        .subquery()
    )
    query = select(source_settings.c.store_id, source_settings.c.kind, source_settings.c.enabled).join(
        last,
        (source_settings.c.store_id == last.c.store_id)
        & (source_settings.c.kind == last.c.kind)
        & (source_settings.c.version == last.c.version),
    )
    return [(row.store_id, row.kind, row.enabled) for row in connection.execute(query)]


def add(connection: Connection, kept: Kept) -> None:
    values = {
        "store_id": kept.store_id,
        "kind": kept.kind,
        "version": kept.version,
        "enabled": kept.enabled,
        "document": json.dumps(kept.document),
        "sealed": json.dumps(kept.sealed),
        "created_at": kept.created_at,
        "created_by": kept.created_by[:255],
    }
    connection.execute(insert(source_settings).values(values))


def salt(connection: Connection, store_id: str) -> str | None:
    """The store's salt as it is sealed."""
    return connection.execute(select(source_salts.c.sealed).where(source_salts.c.store_id == store_id)).scalar_one_or_none()


def add_salt(connection: Connection, store_id: str, sealed: str) -> None:
    if salt(connection, store_id) is None:
        connection.execute(insert(source_salts).values(store_id=store_id, sealed=sealed))


def reseal(connection: Connection, box: SecretBox) -> int:
    """Encrypt every source's secrets, of all versions, and every store's salt with the current master key."""
    settings = reseal_documents(
        connection, box, source_settings.c.sealed, lambda row, place: f"sources/{row.store_id}/{row.kind}/{place}"
    )
    return settings + reseal_column(connection, box, source_salts.c.sealed, lambda row: f"sources/{row.store_id}/salt")
