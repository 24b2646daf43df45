"""In which order stores are listed, and where a page of them goes on: by name, broken connections first, or the last changed."""

from datetime import UTC, datetime
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, or_, tuple_

from ferrata.connections.models import connections, stores
from ferrata.connections.schemas import Status, StoreSort
from ferrata.infra.errors import Problem, Rejected
from ferrata.infra.paging import make_cursor, read_cursor

_BY_NAME = func.lower(stores.c.name)
_since: ColumnElement[datetime] = func.coalesce(connections.c.status_since, stores.c.created_at)
_RANKS = {Status.ERROR.value: "0", Status.DISCONNECTED.value: "1", Status.CONNECTED.value: "3"}
_RANK = case(_RANKS, value=connections.c.status, else_="2")
_KEYS: dict[StoreSort, tuple[ColumnElement[Any], ...]] = {
    StoreSort.NAME: (_BY_NAME,),
    StoreSort.STATUS: (_RANK, _BY_NAME),
    StoreSort.CHANGED: (_since,),
}


def ordered(query: Select[Any], sort: StoreSort, cursor: str | None) -> Select[Any]:
    """The query in this order, behind the cursor, with what ``cursor_after`` needs. Raises Rejected: not one of its cursors."""
    keys = _KEYS[sort]
    query = query.add_columns(*(key.label(f"sorted_by_{place}") for place, key in enumerate(keys)))
    columns = (*keys, stores.c.id)
    query = query.order_by(*(column.desc() for column in columns) if sort is StoreSort.CHANGED else columns)
    return query if cursor is None else query.where(_behind(sort, cursor))


def cursor_after(sort: StoreSort, row: Row[Any]) -> str:
    values = (row._mapping[f"sorted_by_{place}"] for place in range(len(_KEYS[sort])))
    told = (value.isoformat() if isinstance(value, datetime) else value.encode().hex() for value in values)
    return make_cursor(sort.value, *told, row.id)


def _behind(sort: StoreSort, cursor: str) -> ColumnElement[bool]:
    of_sort, *values, store_id = read_cursor(cursor, len(_KEYS[sort]) + 2)
    if of_sort != sort.value:
        _refuse()
    if sort is StoreSort.CHANGED:
        since = _instant(values[0])
        return or_(_since < since, and_(_since == since, stores.c.id < store_id))
    return tuple_(*_KEYS[sort], stores.c.id) > tuple_(*map(_text, values), store_id)


def _text(value: str) -> str:
    try:
        return bytes.fromhex(value).decode().replace("\x00", "")
    except ValueError:
        _refuse()


def _instant(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        _refuse()


def _refuse() -> NoReturn:
    raise Rejected(problems=(Problem("cursor", "cursor is not of this order; start without it"),))
