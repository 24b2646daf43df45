"""All SQL of tokens."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ferrata.access.models import tokens
from ferrata.access.schemas import Token, rights_of


def add(connection: Connection, token: Token, secret_hash: str) -> None:
    connection.execute(
        insert(tokens).values(
            id=token.id,
            name=token.name,
            hint=token.hint,
            secret_hash=secret_hash,
            store_id=token.store_id,
            rights=" ".join(sorted(token.rights)),
            created_at=token.created_at,
            expires_at=token.expires_at,
            made_by=token.made_by,
        )
    )


def find(connection: Connection, secret_hash: str) -> Token | None:
    row = connection.execute(select(tokens).where(tokens.c.secret_hash == secret_hash)).first()
    return _token(row) if row else None


def by_id(connection: Connection, token_id: str) -> Token | None:
    row = connection.execute(select(tokens).where(tokens.c.id == token_id)).first()
    return _token(row) if row else None


def all_of(connection: Connection, store_id: str | None) -> list[Token]:
    query = select(tokens).order_by(tokens.c.id.desc())
    return [_token(row) for row in connection.execute(query.where(tokens.c.store_id == store_id) if store_id else query)]


def revoke(connection: Connection, token_id: str, at: datetime) -> bool:
    """True if it was still good."""
    change = update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None)).values(revoked_at=at)
    return connection.execute(change).rowcount == 1


def note_use(connection: Connection, token_id: str, at: datetime) -> None:
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(used_at=at))


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        hint=row.hint,
        store_id=row.store_id,
        rights=rights_of(row.rights.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
        made_by=row.made_by,
    )
