"""All SQL of this room but for tokens, which are in ``token_store.py``."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from ferrata.access.models import known_browsers, people, sessions, setup_tokens
from ferrata.access.schemas import Person, Role, Session

# People


def add_person(connection: Connection, person: Person, password_hash: str) -> None:
    connection.execute(
        insert(people).values(
            id=person.id,
            email=person.email,
            name=person.name,
            role=person.role,
            password_hash=password_hash,
            created_at=person.created_at,
        )
    )


def find_person(connection: Connection, email: str) -> tuple[Person, str] | None:
    """The person and the hash of their password."""
    row = connection.execute(select(people).where(people.c.email == email)).first()
    return (_person(row), row.password_hash) if row else None


def person_by_id(connection: Connection, person_id: str) -> Person | None:
    row = connection.execute(select(people).where(people.c.id == person_id)).first()
    return _person(row) if row else None


def all_people(connection: Connection) -> list[Person]:
    return [_person(row) for row in connection.execute(select(people).order_by(people.c.created_at, people.c.id))]


def count_people(connection: Connection, role: Role | None = None) -> int:
    query = select(func.count()).select_from(people)
    return connection.execute(query.where(people.c.role == role) if role else query).scalar_one()


def lock_administrators(connection: Connection) -> None:
    """Until the end of the transaction nobody else can remove an administrator or make somebody else one."""
    connection.execute(select(people.c.id).where(people.c.role == Role.ADMINISTRATOR).with_for_update()).all()


def set_password(connection: Connection, person_id: str, password_hash: str) -> None:
    connection.execute(update(people).where(people.c.id == person_id).values(password_hash=password_hash))


def set_role(connection: Connection, person_id: str, role: Role) -> None:
    connection.execute(update(people).where(people.c.id == person_id).values(role=role))


def note_sign_in(connection: Connection, person_id: str, at: datetime) -> None:
    connection.execute(update(people).where(people.c.id == person_id).values(signed_in_at=at))


def remove_person(connection: Connection, person_id: str) -> None:
    connection.execute(delete(people).where(people.c.id == person_id))


def _person(row: Row[Any]) -> Person:
    return Person(row.id, row.email, row.name, Role(row.role), row.created_at, row.signed_in_at)


# Sessions and known browsers


def add_session(connection: Connection, session: Session, secret_hash: str) -> None:
    connection.execute(
        insert(sessions).values(
            id=session.id,
            secret_hash=secret_hash,
            person_id=session.person_id,
            created_at=session.created_at,
            seen_at=session.seen_at,
            expires_at=session.expires_at,
            agent=session.agent,
            address=session.address,
        )
    )


def find_session(connection: Connection, secret_hash: str) -> tuple[Session, Person] | None:
    found = connection.execute(select(sessions).where(sessions.c.secret_hash == secret_hash)).first()
    person = person_by_id(connection, found.person_id) if found else None
    return (_session(found), person) if found and person else None


def open_sessions(connection: Connection, now: datetime) -> list[Session]:
    query = select(sessions).where(sessions.c.expires_at > now).order_by(sessions.c.seen_at.desc())
    return [_session(row) for row in connection.execute(query)]


def session_by_id(connection: Connection, session_id: str) -> Session | None:
    row = connection.execute(select(sessions).where(sessions.c.id == session_id)).first()
    return _session(row) if row else None


def touch_session(connection: Connection, session_id: str, seen_at: datetime) -> None:
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=seen_at))


def end_session(connection: Connection, session_id: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.id == session_id))


def end_sessions_of(connection: Connection, person_id: str, but: str | None = None) -> int:
    """All, or all ``but`` the one with this id; how many."""
    ended = delete(sessions).where(sessions.c.person_id == person_id)
    return connection.execute(ended.where(sessions.c.id != but) if but else ended).rowcount


def forget_expired_sessions(connection: Connection, now: datetime) -> None:
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))


def add_known_browser(connection: Connection, secret_hash: str, person_id: str, at: datetime) -> None:
    connection.execute(insert(known_browsers).values(secret_hash=secret_hash, person_id=person_id, created_at=at))


def forget_browsers(connection: Connection, secret_hash: str | None, before: datetime) -> None:
    """This one, which gets a new secret, and those that were not seen since ``before``."""
    gone = or_(known_browsers.c.secret_hash == secret_hash, known_browsers.c.created_at < before)
    connection.execute(delete(known_browsers).where(gone))


def is_known_browser(connection: Connection, secret_hash: str, person_id: str) -> bool:
    query = select(known_browsers.c.person_id).where(known_browsers.c.secret_hash == secret_hash)
    return connection.execute(query).scalar_one_or_none() == person_id


def forget_browsers_of(connection: Connection, person_id: str) -> None:
    connection.execute(delete(known_browsers).where(known_browsers.c.person_id == person_id))


def _session(row: Row[Any]) -> Session:
    return Session(row.id, row.person_id, row.created_at, row.seen_at, row.expires_at, row.agent, row.address)


# One-time tokens of the first start


def add_setup_token(connection: Connection, secret_hash: str, expires_at: datetime) -> None:
    connection.execute(insert(setup_tokens).values(secret_hash=secret_hash, expires_at=expires_at))


def forget_expired_setup_tokens(connection: Connection, now: datetime) -> None:
    connection.execute(delete(setup_tokens).where(setup_tokens.c.expires_at <= now))


def take_setup_tokens(connection: Connection) -> dict[str, datetime]:
    """Remove them all and return them, hash and expiry: whoever comes second finds none."""
    removed = delete(setup_tokens).returning(setup_tokens.c.secret_hash, setup_tokens.c.expires_at)
    return {row.secret_hash: row.expires_at for row in connection.execute(removed)}
