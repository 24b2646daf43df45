"""All the SQL of the catalogue."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, or_, select, tuple_, update

from ferrata.catalog.models import awaited, things
from ferrata.catalog.schemas import Counts, Presence, Thing, ThingFilter
from ferrata.infra.database.prepared import UPSERTS, Prepared, one_of
from ferrata.infra.paging import Page, instant_in, make_cursor, read_cursor

_FIELDS = Thing.__struct_fields__
_CHANGING = [name for name in _FIELDS if name not in ("id", "store_id", "kind", "external_id", "created_at")]
_JSON: dict[str, msgspec.json.Decoder[Any]] = {
    "attributes": msgspec.json.Decoder(dict[str, msgspec.Raw]),
    "stamps": msgspec.json.Decoder(dict[str, datetime]),
    "categories": msgspec.json.Decoder(tuple[str, ...]),
}
_columns = [things.c[name] for name in _FIELDS]
_find_all = Prepared(select(*_columns).where(one_of(things.c.id, "ids")), ["ids"])
_lock_all = Prepared(
    select(*_columns).where(one_of(things.c.id, "ids")).order_by(things.c.id).with_for_update(of=things), ["ids"]
)
_insert = Prepared(
    {
        name: insert(things).values({name: bindparam(name) for name in _FIELDS}).on_conflict_do_nothing()
        for name, insert in UPSERTS.items()
    },
    _FIELDS,
)
_update = Prepared(
    update(things).where(things.c.id == bindparam("of")).values({name: bindparam(name) for name in _CHANGING}),
    ["of", *_CHANGING],
)
_await = Prepared({name: on(awaited).on_conflict_do_nothing() for name, on in UPSERTS.items()}, ["store_id", "key", "thing_id"])


def insert_missing(connection: Connection, first: Iterable[Thing]) -> None:
    """Make things that are not there yet; another process that makes the same one is waited for."""
    _insert.many(connection, [_row_of(thing, _FIELDS) for thing in sorted(first, key=lambda thing: thing.id)])


def lock_all(connection: Connection, ids: Iterable[str]) -> dict[str, Thing]:
    """These things, locked in one order, so that two transactions wait for each other and never in a ring."""
    return {thing.id: thing for thing in map(_thing_of, _lock_all.rows(connection, sorted(ids)))}


def find_all(connection: Connection, ids: Iterable[str]) -> dict[str, Thing]:
    return {thing.id: thing for thing in map(_thing_of, _find_all.rows(connection, sorted(ids)))}


def update_all(connection: Connection, changed: Iterable[Thing]) -> None:
    _update.many(connection, [(thing.id, *_row_of(thing, _CHANGING)) for thing in changed])


def variant_ids(connection: Connection, store_id: str, items: Sequence[str]) -> list[str]:
    """The variants that the shop has of these items."""
    mine = (things.c.store_id == store_id, things.c.item.in_(items), things.c.presence == Presence.PRESENT.value)
    return list(connection.execute(select(things.c.id).where(*mine)).scalars())


def await_all(connection: Connection, store_id: str, wanted: Iterable[tuple[str, str]]) -> None:
    """Note what refers to something that is not there: pairs of key and thing."""
    _await.many(connection, [(store_id, key, id_) for key, id_ in wanted])


def take_awaiting(connection: Connection, store_id: str, keys: Sequence[str]) -> list[str]:
    """What has waited for these; it waits no longer."""
    if not keys:
        return []
    these = (awaited.c.store_id == store_id, awaited.c.key.in_(keys))
    ids = list(connection.execute(select(awaited.c.thing_id).where(*these).distinct()).scalars())
    if ids:
        connection.execute(delete(awaited).where(*these))
    return ids


def page(connection: Connection, filter_: ThingFilter, cursor: str | None, limit: int) -> Page[Thing]:
    """What changed last first. Raises ``Rejected`` for a cursor that is not ours."""
    query = select(*_columns).where(*_matching(filter_))
    if cursor:
        at, id_ = read_cursor(cursor, 2)
        query = query.where(
            tuple_(things.c.updated_at, things.c.id)
            < tuple_(bindparam(None, instant_in(at), type_=things.c.updated_at.type), id_)
        )
    rows = connection.execute(query.order_by(things.c.updated_at.desc(), things.c.id.desc()).limit(limit + 1)).all()
    found = tuple(_thing_of(tuple(row)) for row in rows[:limit])
    following = make_cursor(found[-1].updated_at.isoformat(), found[-1].id) if len(rows) > limit else None
    return Page(found, following)


def counts(connection: Connection, store_id: str) -> Counts:
    present = (things.c.store_id == store_id, things.c.presence == Presence.PRESENT.value)
    rows = connection.execute(select(things.c.kind, func.count()).where(*present).group_by(things.c.kind)).all()
    return Counts(**dict(rows))


def _matching(filter_: ThingFilter) -> list[Any]:
    conditions: list[Any] = [things.c.store_id == filter_.store_id, things.c.presence != Presence.UNHEARD.value]
    if filter_.kind:
        conditions.append(things.c.kind == filter_.kind)
    if filter_.presence:
        conditions.append(things.c.presence == filter_.presence.value)
    if filter_.item:
        conditions.append(things.c.item == filter_.item)
    if filter_.text:
        found = (things.c.title.icontains(filter_.text, autoescape=True), things.c.external_id == filter_.text)
        conditions.append(or_(*found))
    return conditions


def _row_of(thing: Thing, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(_written(name, getattr(thing, name)) for name in names)


def _written(name: str, value: Any) -> Any:
    if value is not None and name in _JSON:
        return msgspec.json.encode(value).decode()
    return value.value if isinstance(value, Presence) else value


def _thing_of(row: tuple[Any, ...]) -> Thing:
    values = dict(zip(_FIELDS, row, strict=True))
    read = {name: decoder.decode(values[name]) for name, decoder in _JSON.items() if values[name] is not None}
    return Thing(**values | read | {"presence": Presence(values["presence"])})
