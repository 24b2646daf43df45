"""All SQL of this room about connections and keys."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.connections.models import connections, retiring_keys
from ferrata.connections.schemas import Connection, Held, Method, Retiring, Status


@dataclass(frozen=True, slots=True)
class Kept:
    """A connection as it is kept, with its encrypted key."""

    seen: Connection
    version: str
    sealed_key: str
    quota_id: str
    installation_id: str | None = None  # connected by OAuth: then there is no key
    fingerprint: str | None = None
    former_quota_id: str | None = None

    def told(self, **known: Any) -> "Kept":
        """The same, with this known of it."""
        return replace(self, seen=replace(self.seen, **known))


@dataclass(frozen=True, slots=True)
class KeptRetired:
    """A replaced key as it is kept."""

    seen: Retiring
    sealed_key: str
    quota_id: str


_CREDENTIAL = frozenset({"store_id", "version", "sealed_key", "installation_id", "fingerprint", "hint", "created_at"})


def find_connection(transaction: Transaction, store_id: str, *, for_update: bool = False) -> Kept | None:
    query = select(connections).where(connections.c.store_id == store_id)
    row = transaction.execute(query.with_for_update() if for_update else query).first()
    return _kept(row) if row else None


def all_connections(transaction: Transaction) -> list[Kept]:
    return [_kept(row) for row in transaction.execute(select(connections))]


def replace_connection(transaction: Transaction, kept: Kept) -> None:
    dialect = sqlite if transaction.dialect.name == "sqlite" else postgresql
    values = columns_of(kept)
    statement = dialect.insert(connections).values(values)
    kept_anew = {name: statement.excluded[name] for name in values if name != "store_id"}
    transaction.execute(statement.on_conflict_do_update(index_elements=["store_id"], set_=kept_anew))


def columns_of(kept: Kept) -> dict[str, Any]:
    seen = kept.seen
    return {
        "store_id": seen.store_id,
        "installation_id": kept.installation_id,
        "version": kept.version,
        "sealed_key": kept.sealed_key,
        "hint": seen.hint or "",
        "fingerprint": kept.fingerprint,
        "quota_id": kept.quota_id,
        "former_quota_id": kept.former_quota_id,
        "account_id": seen.account_id,
        "account_name": seen.account_name,
        "account": json.dumps(dict(seen.account)) if seen.account else None,
        "status": seen.status,
        "status_since": seen.status_since,
        "detail": seen.detail,
        "tested_at": seen.tested_at,
        "created_at": seen.created_at,
        "connected_at": seen.connected_at,
        "conversion_metric_id": seen.conversion_metric_id,
        "conversion_metric_name": seen.conversion_metric_name,
        "is_shopify_order": seen.is_shopify_order,
        "scopes": json.dumps(dict(seen.scopes)) if seen.scopes else None,
        "scopes_checked_at": seen.scopes_checked_at,
    }


def remove_connection(transaction: Transaction, store_id: str) -> bool:
    """With the keys that it had before, where they were still kept. False if there is none."""
    transaction.execute(delete(retiring_keys).where(retiring_keys.c.store_id == store_id))
    return transaction.execute(delete(connections).where(connections.c.store_id == store_id)).rowcount == 1


def set_known(transaction: Transaction, kept: Kept, version: str) -> bool:
    """Change what is known of this very credential, never the credential; False if another was set meanwhile."""
    values = {name: value for name, value in columns_of(kept).items() if name not in _CREDENTIAL}
    change = update(connections).where(connections.c.store_id == kept.seen.store_id, connections.c.version == version)
    return transaction.execute(change.values(values)).rowcount == 1


def reseal(transaction: Transaction, kept: Kept, sealed_key: str) -> None:
    mine = (connections.c.store_id == kept.seen.store_id, connections.c.version == kept.version)
    transaction.execute(update(connections).where(*mine).values(sealed_key=sealed_key))


def quota_of_key(transaction: Transaction, fingerprint: str) -> str | None:
    """Whose quota a key spends that some store is connected with."""
    query = select(connections.c.quota_id).where(connections.c.fingerprint == fingerprint).limit(1)
    return transaction.execute(query).scalar_one_or_none()


def retire_key(transaction: Transaction, before: Kept, sealed_key: str, now: datetime, forget_at: datetime) -> None:
    transaction.execute(
        insert(retiring_keys).values(
            store_id=before.seen.store_id,
            version=before.version,
            sealed_key=sealed_key,
            hint=before.seen.hint,
            quota_id=before.quota_id,
            retired_at=now,
            forget_at=forget_at,
        )
    )


def retiring(transaction: Transaction, store_id: str | None = None) -> list[KeptRetired]:
    """The replaced keys of a store, or of all, the last one first."""
    query = select(retiring_keys).order_by(retiring_keys.c.retired_at.desc())
    if store_id is not None:
        query = query.where(retiring_keys.c.store_id == store_id)
    return [_retired(row) for row in transaction.execute(query)]


def reseal_retired(transaction: Transaction, kept: KeptRetired, sealed_key: str) -> None:
    mine = (retiring_keys.c.store_id == kept.seen.store_id, retiring_keys.c.version == kept.seen.version)
    transaction.execute(update(retiring_keys).where(*mine).values(sealed_key=sealed_key))


def forget_retired(transaction: Transaction, now: datetime) -> list[Retiring]:
    """Delete those whose time is over, and give them."""
    due = delete(retiring_keys).where(retiring_keys.c.forget_at <= now).returning(*retiring_keys.c)
    return [_retired(row).seen for row in transaction.execute(due)]


def _retired(row: Row[Any]) -> KeptRetired:
    return KeptRetired(Retiring(row.store_id, row.version, row.hint, row.retired_at, row.forget_at), row.sealed_key, row.quota_id)


def _kept(row: Row[Any]) -> Kept:
    seen = Connection(
        store_id=row.store_id,
        status=Status(row.status),
        hint=row.hint or None,
        account_id=row.account_id,
        account_name=row.account_name,
        detail=row.detail,
        tested_at=row.tested_at,
        created_at=row.created_at,
        method=Method.OAUTH if row.installation_id else Method.PRIVATE_KEY,
        account=json.loads(row.account) if row.account else {},
        status_since=row.status_since,
        connected_at=row.connected_at,
        conversion_metric_id=row.conversion_metric_id,
        conversion_metric_name=row.conversion_metric_name,
        is_shopify_order=row.is_shopify_order,
        scopes={scope: Held(held) for scope, held in json.loads(row.scopes).items()} if row.scopes else {},
        scopes_checked_at=row.scopes_checked_at,
    )
    return Kept(seen, row.version, row.sealed_key, row.quota_id, row.installation_id, row.fingerprint, row.former_quota_id)
