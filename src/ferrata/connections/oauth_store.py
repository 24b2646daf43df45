"""All SQL about OAuth installations and the authorizations that lead to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, delete, insert, select, update

from ferrata.connections.models import connections
from ferrata.connections.oauth_models import oauth_installations as table
from ferrata.connections.oauth_models import oauth_starts


@dataclass(frozen=True, slots=True)
class Start:
    """An authorization that was begun. The state itself is nowhere: only its hash."""

    state_hash: str
    store_id: str
    person_id: str
    session_id: str
    sealed_verifier: str
    redirect_uri: str
    scopes: str
    created_at: datetime
    expires_at: datetime


def add_start(transaction: Transaction, start: Start, now: datetime) -> None:
    transaction.execute(delete(oauth_starts).where(oauth_starts.c.expires_at < now))
    values = {name: getattr(start, name) for name in Start.__dataclass_fields__}
    transaction.execute(insert(oauth_starts).values(**values))


def take_start(transaction: Transaction, state_hash: str) -> Start | None:
    """The authorization with this state, which is thereby used up: of any number that ask, one gets it."""
    taken = delete(oauth_starts).where(oauth_starts.c.state_hash == state_hash).returning(*oauth_starts.c)
    row = transaction.execute(taken).first()
    return Start(**row._mapping) if row else None


def remove_starts(transaction: Transaction, store_id: str) -> None:
    transaction.execute(delete(oauth_starts).where(oauth_starts.c.store_id == store_id))


def find(transaction: Transaction, installation_id: str) -> Row[Any] | None:
    return transaction.execute(select(table).where(table.c.id == installation_id)).first()


def locked(transaction: Transaction, installation_id: str) -> Row[Any] | None:
    """The row, which nobody else changes before this transaction ends."""
    return transaction.execute(select(table).where(table.c.id == installation_id).with_for_update()).first()


def of_account(transaction: Transaction, client_id: str, account_id: str) -> Row[Any] | None:
    """The installation of this app on this account."""
    same = (table.c.client_id == client_id, table.c.account_id == account_id)
    return transaction.execute(select(table).where(*same).with_for_update()).first()


def add(transaction: Transaction, values: Mapping[str, Any]) -> None:
    transaction.execute(insert(table).values(**values))


def change(transaction: Transaction, installation_id: str, values: Mapping[str, Any], *, generation: int | None = None) -> bool:
    """Change the row; with ``generation``, only if no newer pair of tokens was written since that one."""
    statement = update(table).where(table.c.id == installation_id)
    if generation is not None:
        statement = statement.where(table.c.generation == generation)
    return transaction.execute(statement.values(**values)).rowcount == 1


def remove(transaction: Transaction, installation_id: str) -> None:
    transaction.execute(delete(table).where(table.c.id == installation_id))


def everything(transaction: Transaction) -> list[Row[Any]]:
    return list(transaction.execute(select(table).order_by(table.c.id)))


def stores_of(transaction: Transaction, installation_id: str) -> list[str]:
    """The stores that are connected through this installation."""
    rows = transaction.execute(
        select(connections.c.store_id).where(connections.c.installation_id == installation_id).order_by(connections.c.store_id)
    )
    return list(rows.scalars())


def of_store(transaction: Transaction, store_id: str) -> Row[Any] | None:
    """The installation through which this store is connected."""
    used = connections.c.installation_id == table.c.id
    return transaction.execute(select(table).join(connections, used).where(connections.c.store_id == store_id)).first()


def due_for_use(transaction: Transaction, issued_before: datetime) -> list[str]:
    """Living installations whose tokens were not renewed since then."""
    rows = transaction.execute(
        select(table.c.id).where(table.c.lost_at.is_(None), table.c.revoke_at.is_(None), table.c.issued_at < issued_before)
    )
    return list(rows.scalars())


def due_for_revoking(transaction: Transaction, now: datetime) -> list[Row[Any]]:
    return list(transaction.execute(select(table).where(table.c.revoke_at <= now)))
