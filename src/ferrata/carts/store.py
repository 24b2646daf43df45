"""All the SQL of carts."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, tuple_, update

from ferrata.carts.errors import Outrun
from ferrata.carts.models import cart_settings, cart_story, carts
from ferrata.carts.schemas import CartFilter, CartRecord, Entry, Item, Settings, State
from ferrata.commerce.tracked import PersonRef
from ferrata.infra.crypto import SecretBox
from ferrata.infra.database.prepared import UPSERTS
from ferrata.infra.resealing import reseal_column

_COLUMNS = (
    *("store_id", "cart_id", "recovery_id", "state", "currency", "opened_at", "updated_at", "abandon_at", "abandoned_at"),
    *("abandonments", "ordered_at", "order_id", "version"),
)


class _Document(msgspec.Struct, frozen=True):
    items: tuple[Item, ...] = ()
    coupons: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    url: str | None = None


_document = msgspec.json.Decoder(_Document).decode
_settings = msgspec.json.Decoder(Settings).decode
_ids = msgspec.json.Decoder(tuple[str, ...]).decode


def find(connection: Connection, store_id: str, cart_id: str) -> CartRecord | None:
    row = connection.execute(select(carts).where(carts.c.store_id == store_id, carts.c.cart_id == cart_id)).first()
    return _cart(row) if row else None


def find_by_recovery_id(connection: Connection, recovery_id: str) -> CartRecord | None:
    row = connection.execute(select(carts).where(carts.c.recovery_id == recovery_id)).first()
    return _cart(row) if row else None


def put(connection: Connection, cart: CartRecord) -> None:
    """Keep the cart if it is still in the version that it was read in; version 0 is a new one. Raises Outrun."""
    values = _values(cart) | {"version": cart.version + 1}
    if cart.version == 0:
        statement: Any = UPSERTS[connection.dialect.name](carts).values(**values).on_conflict_do_nothing()
    else:
        key = (carts.c.store_id == cart.store_id, carts.c.cart_id == cart.cart_id, carts.c.version == cart.version)
        statement = update(carts).where(*key).values(**values)
    if connection.execute(statement.returning(carts.c.cart_id)).first() is None:
        raise Outrun


def tell(connection: Connection, cart: CartRecord, entry: Entry) -> None:
    """Note what happened. Raises Outrun if this act was noted before."""
    values = {
        "id": entry.id,
        "store_id": cart.store_id,
        "cart_id": cart.cart_id,
        "act_id": entry.act_id,
        "at": entry.at,
        "what": entry.what,
        "said": entry.said,
        "event_ids": msgspec.json.encode(entry.event_ids).decode(),
    }
    adding = UPSERTS[connection.dialect.name](cart_story).values(**values).on_conflict_do_nothing()
    if connection.execute(adding.returning(cart_story.c.id)).first() is None:
        raise Outrun


def find_entry(connection: Connection, store_id: str, cart_id: str, act_id: str) -> Entry | None:
    story = cart_story.c
    row = connection.execute(
        select(cart_story).where(story.store_id == store_id, story.cart_id == cart_id, story.act_id == act_id)
    ).first()
    return _entry(row) if row else None


def story(connection: Connection, store_id: str, cart_id: str, limit: int) -> list[Entry]:
    """What happened to a cart, the newest first."""
    query = select(cart_story).where(cart_story.c.store_id == store_id, cart_story.c.cart_id == cart_id)
    return [_entry(row) for row in connection.execute(query.order_by(cart_story.c.id.desc()).limit(limit))]


def due(connection: Connection, now: datetime, limit: int) -> list[CartRecord]:
    """Carts whose silence has lasted long enough, the longest first."""
    query = select(carts).where(carts.c.abandon_at <= now).order_by(carts.c.abandon_at).limit(limit)
    return [_cart(row) for row in connection.execute(query)]


def page(
    connection: Connection, store_id: str, asked: CartFilter, before: tuple[datetime, str] | None, limit: int
) -> list[CartRecord]:
    """The last touched first."""
    query = select(carts).where(carts.c.store_id == store_id, *_conditions(asked))
    if before is not None:
        query = query.where(tuple_(carts.c.updated_at, carts.c.cart_id) < before)
    query = query.order_by(carts.c.updated_at.desc(), carts.c.cart_id.desc()).limit(limit)
    return [_cart(row) for row in connection.execute(query)]


def counts(connection: Connection, store_id: str) -> dict[State, int]:
    query = select(carts.c.state, func.count()).where(carts.c.store_id == store_id).group_by(carts.c.state)
    return {State(state): count for state, count in connection.execute(query)}


def forget(connection: Connection, store_id: str, before: datetime) -> int:
    """Carts that nobody has touched since then, with their stories."""
    old = (carts.c.store_id == store_id, carts.c.updated_at < before)
    ids = select(carts.c.cart_id).where(*old)
    connection.execute(delete(cart_story).where(cart_story.c.store_id == store_id, cart_story.c.cart_id.in_(ids)))
    return connection.execute(delete(carts).where(*old)).rowcount


def find_settings(connection: Connection, store_id: str) -> tuple[Settings, str] | None:
    """The store's settings, and the sealed secret of its links."""
    row = connection.execute(select(cart_settings).where(cart_settings.c.store_id == store_id)).first()
    return (_settings(row.document), row.sealed) if row else None


def add_settings(connection: Connection, store_id: str, settings: Settings, sealed: str) -> None:
    """Unless somebody else was quicker: then theirs stay."""
    values = {"store_id": store_id, "document": _json(settings), "sealed": sealed}
    connection.execute(UPSERTS[connection.dialect.name](cart_settings).values(**values).on_conflict_do_nothing())


def put_settings(connection: Connection, store_id: str, settings: Settings) -> None:
    connection.execute(update(cart_settings).where(cart_settings.c.store_id == store_id).values(document=_json(settings)))


def reseal(connection: Connection, box: SecretBox) -> int:
    return reseal_column(connection, box, cart_settings.c.sealed, lambda row: row_name(row.store_id))


def row_name(store_id: str) -> str:
    """To which the secret of a store's links is bound."""
    return f"cart_settings/{store_id}"


def stores(connection: Connection) -> list[str]:
    return list(connection.execute(select(cart_settings.c.store_id)).scalars())


def _conditions(asked: CartFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if asked.state is not None:
        found.append(carts.c.state == asked.state)
    if asked.text:
        found.append(or_(carts.c.cart_id == asked.text, carts.c.email == asked.text.lower()))
    if asked.known is not None:
        known = or_(carts.c.email.is_not(None), carts.c.phone.is_not(None), carts.c.external_id.is_not(None))
        found.append(known if asked.known else ~known)
    return found


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _values(cart: CartRecord) -> dict[str, Any]:
    person = {"email": cart.person.email, "phone": cart.person.phone, "external_id": cart.person.external_id}
    document = _json(_Document(cart.items, cart.coupons, cart.held, cart.url))
    return {name: getattr(cart, name) for name in _COLUMNS} | person | {"document": document}


def _cart(row: Any) -> CartRecord:
    document = _document(row.document)
    values = {name: getattr(row, name) for name in _COLUMNS} | {"state": State(row.state)}
    return CartRecord(
        **values,
        person=PersonRef(row.email, row.phone, row.external_id),
        items=document.items,
        coupons=document.coupons,
        held=document.held,
        url=document.url,
    )


def _entry(row: Any) -> Entry:
    return Entry(id=row.id, act_id=row.act_id, at=row.at, what=row.what, said=row.said, event_ids=_ids(row.event_ids))


def ids_of_person(
    connection: Connection, store_id: str, emails: Collection[str], phones: Collection[str], ids: Collection[str]
) -> list[str]:
    named = or_(carts.c.email.in_(emails), carts.c.phone.in_(phones), carts.c.external_id.in_(ids))
    return list(connection.execute(select(carts.c.cart_id).where(carts.c.store_id == store_id, named)).scalars())


def erase(connection: Connection, store_id: str, cart_ids: Sequence[str]) -> int:
    """Delete these carts with their stories."""
    connection.execute(delete(cart_story).where(cart_story.c.store_id == store_id, cart_story.c.cart_id.in_(cart_ids)))
    return connection.execute(delete(carts).where(carts.c.store_id == store_id, carts.c.cart_id.in_(cart_ids))).rowcount
