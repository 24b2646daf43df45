"""All SQL of invitations and of links to a new password."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from ferrata.access.models import one_time_links as table
from ferrata.access.models import tokens
from ferrata.access.schemas import Link, Purpose


def add(connection: Connection, link: Link, secret_hash: str) -> None:
    connection.execute(
        insert(table).values(
            id=link.id,
            secret_hash=secret_hash,
            purpose=link.purpose,
            email=link.email,
            store_id=link.store_id,
            role=link.role,
            made_by=link.made_by,
            made_by_name=link.made_by_name,
            created_at=link.created_at,
            expires_at=link.expires_at,
        )
    )


def find(connection: Connection, secret_hash: str, purpose: Purpose) -> Link | None:
    row = connection.execute(select(table).where(table.c.secret_hash == secret_hash, table.c.purpose == purpose)).first()
    return _link(row) if row else None


def invitations_of(connection: Connection, store_id: str | None) -> list[Link]:
    """The open and the past ones of a store, or those of the whole installation; newest first."""
    mine = table.c.store_id == store_id if store_id else table.c.store_id.is_(None)
    query = select(table).where(mine, table.c.purpose == Purpose.INVITATION).order_by(table.c.id.desc()).limit(200)
    return [_link(row) for row in connection.execute(query)]


def by_id(connection: Connection, link_id: str) -> Link | None:
    row = connection.execute(select(table).where(table.c.id == link_id)).first()
    return _link(row) if row else None


def use(connection: Connection, link_id: str, at: datetime) -> bool:
    """True for the one who comes first."""
    return _end(connection, link_id, used_at=at)


def withdraw(connection: Connection, link_id: str, at: datetime) -> bool:
    return _end(connection, link_id, withdrawn_at=at)


def withdraw_older(connection: Connection, link: Link) -> None:
    """What was open for the same person and store: the newest link counts."""
    same_store = table.c.store_id == link.store_id if link.store_id else table.c.store_id.is_(None)
    older = update(table).where(table.c.email == link.email, table.c.purpose == link.purpose, same_store, _OPEN)
    connection.execute(older.values(withdrawn_at=link.created_at))


def withdraw_made_by(connection: Connection, person_id: str, store_id: str | None, at: datetime) -> None:
    """What this person has made, also with a token of theirs, in one store or everywhere."""
    their_tokens = select(tokens.c.id).where(tokens.c.made_by == person_id)
    made = update(table).where(or_(table.c.made_by == person_id, table.c.made_by.in_(their_tokens)), _OPEN)
    connection.execute((made.where(table.c.store_id == store_id) if store_id else made).values(withdrawn_at=at))


def open_made_with(connection: Connection, token_ids: Sequence[str], now: datetime) -> list[Link]:
    """What is open and was made with these tokens, new passwords too."""
    query = select(table).where(table.c.made_by.in_(token_ids), _OPEN, table.c.expires_at > now).order_by(table.c.id)
    return [_link(row) for row in connection.execute(query)]


def hand_over(connection: Connection, link_ids: Sequence[str], maker: str, maker_name: str) -> None:
    """They count as made by somebody else from now on."""
    connection.execute(update(table).where(table.c.id.in_(link_ids)).values(made_by=maker, made_by_name=maker_name))


def withdraw_for(connection: Connection, email: str, purpose: Purpose, at: datetime) -> None:
    connection.execute(update(table).where(table.c.email == email, table.c.purpose == purpose, _OPEN).values(withdrawn_at=at))


_OPEN = table.c.used_at.is_(None) & table.c.withdrawn_at.is_(None)


def _end(connection: Connection, link_id: str, **values: datetime) -> bool:
    return connection.execute(update(table).where(table.c.id == link_id, _OPEN).values(**values)).rowcount == 1


def _link(row: Row[Any]) -> Link:
    return Link(
        id=row.id,
        purpose=Purpose(row.purpose),
        email=row.email,
        store_id=row.store_id,
        role=row.role,
        made_by=row.made_by,
        made_by_name=row.made_by_name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        withdrawn_at=row.withdrawn_at,
    )
