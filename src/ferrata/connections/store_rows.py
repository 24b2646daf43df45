"""The SQL about stores."""

from typing import Any

from sqlalchemy import Column, ColumnElement, Row, func, insert, or_, select, update
from sqlalchemy import Connection as Transaction
from sqlalchemy.exc import IntegrityError

from ferrata.connections.models import connections, stores
from ferrata.connections.schemas import Method, Status, Store, StoreFilter, StoreOverview
from ferrata.connections.store_order import cursor_after, ordered
from ferrata.infra.paging import Page


def all_stores(transaction: Transaction) -> list[Store]:
    return [_store(row) for row in transaction.execute(select(stores).order_by(stores.c.created_at, stores.c.id))]


def find_store(transaction: Transaction, store_id: str, *, for_update: bool = False) -> Store | None:
    query = select(stores).where(stores.c.id == store_id)
    row = transaction.execute(query.with_for_update() if for_update else query).first()
    return _store(row) if row else None


def count_in_use(transaction: Transaction) -> int:
    """Locks them, so that two cannot archive the last two at once."""
    query = select(stores.c.id).where(stores.c.archived_at.is_(None)).order_by(stores.c.id).with_for_update()
    return len(transaction.execute(query).all())


def add_store(transaction: Transaction, store: Store) -> bool:
    """False if there is one with this id already, in whatever letters."""
    if transaction.execute(select(stores.c.id).where(func.lower(stores.c.id) == store.id.lower())).first():
        return False
    try:
        with transaction.begin_nested():
            values = {"id": store.id, "name": store.name, "time_zone": store.time_zone, "currency": store.currency}
            transaction.execute(insert(stores).values(**values, created_at=store.created_at))
    except IntegrityError:
        return False
    return True


def update_store(transaction: Transaction, store: Store) -> None:
    values = {"name": store.name, "time_zone": store.time_zone, "currency": store.currency, "archived_at": store.archived_at}
    transaction.execute(update(stores).where(stores.c.id == store.id).values(values))


def page_of_stores(transaction: Transaction, wanted: StoreFilter, cursor: str | None, limit: int) -> Page[StoreOverview]:
    query = (
        select(
            stores,
            connections.c.status,
            connections.c.installation_id,
            connections.c.hint,
            connections.c.account_id,
            connections.c.account_name,
            connections.c.detail,
            connections.c.status_since,
            connections.c.conversion_metric_name,
        )
        .outerjoin_from(stores, connections, stores.c.id == connections.c.store_id)
        .where(stores.c.archived_at.is_not(None) if wanted.archived else stores.c.archived_at.is_(None))
        .limit(limit + 1)
    )
    if wanted.ids is not None:
        query = query.where(stores.c.id.in_(wanted.ids))
    if wanted.status is Status.NOT_CONFIGURED:
        query = query.where(connections.c.status.is_(None))
    elif wanted.status:
        query = query.where(connections.c.status == wanted.status)
    if text := wanted.text.strip():
        named = (stores.c.name, stores.c.id, connections.c.account_name, connections.c.account_id)
        query = query.where(or_(*(_holds(column, text) for column in named)))
    found = transaction.execute(ordered(query, wanted.sort, cursor)).all()
    more = len(found) > limit
    return Page(tuple(map(_overview, found[:limit])), cursor_after(wanted.sort, found[limit - 1]) if more else None)


def counts(transaction: Transaction, ids: frozenset[str] | None) -> dict[Status, int]:
    """How many stores in use there are of each status."""
    status = func.coalesce(connections.c.status, Status.NOT_CONFIGURED.value)
    query = (
        select(status, func.count())
        .outerjoin_from(stores, connections, stores.c.id == connections.c.store_id)
        .where(stores.c.archived_at.is_(None))
        .group_by(status)
    )
    if ids is not None:
        query = query.where(stores.c.id.in_(ids))
    return {Status(name): count for name, count in transaction.execute(query).all()}


def _holds(column: Column[Any], text: str) -> ColumnElement[bool]:
    """Without regard to case; beyond ASCII SQLite knows none, so the text as it was typed is looked for too."""
    return or_(func.lower(column).contains(text.lower(), autoescape=True), column.contains(text, autoescape=True))


def _store(row: Row[Any]) -> Store:
    return Store(row.id, row.name, row.time_zone, row.currency, row.created_at, row.archived_at)


def _overview(row: Row[Any]) -> StoreOverview:
    return StoreOverview(
        store=_store(row),
        status=Status(row.status) if row.status else Status.NOT_CONFIGURED,
        method=(Method.OAUTH if row.installation_id else Method.PRIVATE_KEY) if row.status else None,
        hint=row.hint or None,
        account_id=row.account_id,
        account_name=row.account_name,
        detail=row.detail,
        status_since=row.status_since,
        conversion_metric_name=row.conversion_metric_name,
    )
