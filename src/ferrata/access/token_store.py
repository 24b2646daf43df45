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


def good_made_by(connection: Connection, person_id: str, store_id: str | None) -> list[Token]:
    """Those not revoked that this person has made, for one store or at all."""
    query = select(tokens).where(tokens.c.made_by == person_id, tokens.c.revoked_at.is_(None)).order_by(tokens.c.id)
    return [_token(row) for row in connection.execute(query.where(tokens.c.store_id == store_id) if store_id else query)]


def revoke_made_by(connection: Connection, person_id: str, store_id: str | None, at: datetime) -> list[str]:
    """Revoke them; their names."""
    made = good_made_by(connection, person_id, store_id)
    for token in made:
        revoke(connection, token.id, at)
    return [token.name for token in made]


def set_end(connection: Connection, token_id: str, expires_at: datetime) -> None:
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(expires_at=expires_at))


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
