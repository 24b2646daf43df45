"""All SQL of tokens."""

from collections.abc import Sequence
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
            made_with=token.made_with,
        )
    )


def find(connection: Connection, secret_hash: str) -> Token | None:
    row = connection.execute(select(tokens).where(tokens.c.secret_hash == secret_hash)).first()
    return _token(row) if row else None


def by_id(connection: Connection, token_id: str) -> Token | None:
    row = connection.execute(select(tokens).where(tokens.c.id == token_id)).first()
    return _token(row) if row else None


def locked(connection: Connection, token_id: str) -> Token | None:
    """Until the end of the transaction nobody revokes it."""
    row = connection.execute(select(tokens).where(tokens.c.id == token_id).with_for_update()).first()
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


def keep_made_by(connection: Connection, ids: Sequence[str], person: str | None, token: str | None) -> None:
    """From now on these count as made by this person, with this token; None: by nobody, with none."""
    connection.execute(update(tokens).where(tokens.c.id.in_(ids)).values(made_by=person, made_with=token))


def good_made_with(connection: Connection, token_id: str) -> list[Token]:
    """Those not revoked that were made with this token, with one that it made, and so on."""
    found: dict[str, Token] = {}
    makers = [token_id]
    while makers:
        rows = connection.execute(select(tokens).where(tokens.c.made_with.in_(makers)).order_by(tokens.c.id))
        made = [token for token in map(_token, rows) if token.id not in found]
        found |= {token.id: token for token in made}
        makers = [token.id for token in made]
    return [token for token in found.values() if token.revoked_at is None]


def hand_over_made_with(connection: Connection, token_id: str, to: str | None) -> None:
    """What was made with this token counts as made with another; None: with none."""
    connection.execute(update(tokens).where(tokens.c.made_with == token_id).values(made_with=to))


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
        made_with=row.made_with,
    )
