"""All SQL of this room."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.connections.models import connections, stores
from ferrata.connections.schemas import Connection, Method, Status, Store


@dataclass(frozen=True, slots=True)
class Kept:
    """A connection as it is kept, with its encrypted key."""

    seen: Connection
    version: str
    sealed_key: str
    quota_id: str
    installation_id: str | None = None  # connected by OAuth: then there is no key


def all_stores(transaction: Transaction) -> list[Store]:
    return [_store(row) for row in transaction.execute(select(stores).order_by(stores.c.created_at, stores.c.id))]


def find_store(transaction: Transaction, store_id: str) -> Store | None:
    row = transaction.execute(select(stores).where(stores.c.id == store_id)).first()
    return _store(row) if row else None


def add_store(transaction: Transaction, store: Store) -> bool:
    """False if there is one with this id already."""
    insert_into = sqlite.insert if transaction.dialect.name == "sqlite" else postgresql.insert
    values = {"id": store.id, "name": store.name, "time_zone": store.time_zone, "currency": store.currency}
    statement = insert_into(stores).values(**values, created_at=store.created_at).on_conflict_do_nothing()
    # psycopg forgets the count of an insert unless asked to keep it
    return transaction.execute(statement.execution_options(preserve_rowcount=True)).rowcount == 1


def find_connection(transaction: Transaction, store_id: str) -> Kept | None:
    row = transaction.execute(select(connections).where(connections.c.store_id == store_id)).first()
    return _kept(row) if row else None


def all_connections(transaction: Transaction) -> list[Kept]:
    return [_kept(row) for row in transaction.execute(select(connections))]


def replace_connection(transaction: Transaction, kept: Kept) -> None:
    remove_connection(transaction, kept.seen.store_id)
    transaction.execute(
        insert(connections).values(
            store_id=kept.seen.store_id,
            version=kept.version,
            sealed_key=kept.sealed_key,
            installation_id=kept.installation_id,
            hint=kept.seen.hint,
            quota_id=kept.quota_id,
            account_id=kept.seen.account_id,
            account_name=kept.seen.account_name,
            status=kept.seen.status,
            detail=kept.seen.detail,
            tested_at=kept.seen.tested_at,
            created_at=kept.seen.created_at,
        )
    )


def remove_connection(transaction: Transaction, store_id: str) -> bool:
    return transaction.execute(delete(connections).where(connections.c.store_id == store_id)).rowcount == 1


def set_known(transaction: Transaction, store_id: str, version: str, values: dict[str, Any]) -> bool:
    """Change what is known of this very key; False if another was set meanwhile."""
    change = update(connections).where(connections.c.store_id == store_id, connections.c.version == version)
    return transaction.execute(change.values(values)).rowcount == 1


def _store(row: Row[Any]) -> Store:
    return Store(row.id, row.name, row.time_zone, row.currency, row.created_at)


def _kept(row: Row[Any]) -> Kept:
    seen = Connection(
        store_id=row.store_id,
        status=Status(row.status),
        hint=row.hint,
        account_id=row.account_id,
        account_name=row.account_name,
        detail=row.detail,
        tested_at=row.tested_at,
        created_at=row.created_at,
        method=Method.OAUTH if row.installation_id else Method.PRIVATE_KEY,
    )
    return Kept(seen, row.version, row.sealed_key, row.quota_id, row.installation_id)
