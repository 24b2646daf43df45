"""All SQL of signing in with an OpenID provider."""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from ferrata.access.models import identities, oidc_attempts
from ferrata.access.schemas import OidcAttempt


def add_attempt(connection: Connection, state_hash: str, attempt: OidcAttempt) -> None:
    connection.execute(
        insert(oidc_attempts).values(
            state_hash=state_hash,
            browser_hash=attempt.browser_hash,
            nonce=attempt.nonce,
            verifier=attempt.verifier,
            wanted=attempt.wanted,
            expires_at=attempt.expires_at,
        )
    )


def take_attempt(connection: Connection, state_hash: str) -> OidcAttempt | None:
    """Remove it and return it: whoever comes second finds none."""
    table = oidc_attempts
    removed = delete(table).where(table.c.state_hash == state_hash)
    row = connection.execute(
        removed.returning(table.c.browser_hash, table.c.nonce, table.c.verifier, table.c.wanted, table.c.expires_at)
    ).first()
    return OidcAttempt(row.browser_hash, row.nonce, row.verifier, row.wanted, row.expires_at) if row else None


def forget_expired_attempts(connection: Connection, now: datetime) -> None:
    connection.execute(delete(oidc_attempts).where(oidc_attempts.c.expires_at <= now))


def person_id_of(connection: Connection, issuer: str, subject: str) -> str | None:
    query = select(identities.c.person_id).where(identities.c.issuer == issuer, identities.c.subject == subject)
    return connection.execute(query).scalar_one_or_none()


def is_linked(connection: Connection, issuer: str, person_id: str) -> bool:
    """Whether this person is somebody at the provider already."""
    query = select(identities.c.subject).where(identities.c.issuer == issuer, identities.c.person_id == person_id)
    return connection.execute(query).first() is not None


def link(connection: Connection, issuer: str, subject: str, person_id: str, at: datetime) -> None:
    connection.execute(insert(identities).values(issuer=issuer, subject=subject, person_id=person_id, created_at=at))
