"""Rights, roles, and who is asking."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from ferrata.access.errors import LacksRight
from ferrata.audit.schemas import Actor


class Right(StrEnum):
    """What may be done. Every route names the one that it needs."""

    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    PROFILES_READ = "profiles:read"
    KLAVIYO_READ = "klaviyo:read"
    KLAVIYO_WRITE = "klaviyo:write"
    SOURCES_READ = "sources:read"
    SOURCES_WRITE = "sources:write"
    SOURCES_MANAGE = "sources:manage"
    DELIVERY_READ = "delivery:read"
    DELIVERY_MANAGE = "delivery:manage"
    RETENTION_READ = "retention:read"
    RETENTION_MANAGE = "retention:manage"
    CONNECTIONS_READ = "connections:read"
    CONNECTIONS_MANAGE = "connections:manage"
    STORES_MANAGE = "stores:manage"
    ACCESS_MANAGE = "access:manage"
    AUDIT_READ = "audit:read"
    HEALTH_READ = "health:read"
    METRICS_READ = "metrics:read"


ALL_RIGHTS = frozenset(Right)
READING = frozenset(right for right in Right if right.endswith(":read"))
STORE_TOKEN = READING - {Right.AUDIT_READ} | {
    Right.EVENTS_WRITE,
    Right.SOURCES_WRITE,
    Right.SOURCES_MANAGE,
    Right.KLAVIYO_WRITE,
    Right.DELIVERY_MANAGE,
    Right.RETENTION_MANAGE,
}
"""What a token may do unless told otherwise: work with events, not with keys, people or tokens."""


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    READER = "reader"

    @property
    def rights(self) -> frozenset[Right]:
        return ALL_RIGHTS if self is Role.ADMINISTRATOR else READING


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a program with a token, or a person with a session. ``store_id`` None: every store."""

    kind: Literal["token", "person"]
    id: str
    name: str
    store_id: str | None
    rights: frozenset[Right]
    session_id: str | None = None
    email: str | None = None

    def may(self, right: Right) -> bool:
        return right in self.rights

    def require(self, right: Right) -> None:
        """Raises LacksRight, which names what is needed."""
        if not self.may(right):
            raise LacksRight(f"This needs the right {right}, which {self.name!r} does not have.")

    @property
    def actor(self) -> Actor:
        return Actor(self.kind, self.id, self.name)


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    email: str
    name: str
    role: Role
    created_at: datetime
    signed_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """One browser in which a person is signed in. The secret that the browser holds is not here."""

    id: str
    person_id: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    agent: str
    address: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the browser is given after a sign-in: the two secrets stand nowhere else."""

    person: Person
    session_secret: str
    session_expires_at: datetime
    browser_secret: str


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a sign-in comes from. ``known_secret`` is the cookie of an earlier sign-in, if it has one."""

    address: str
    agent: str
    known_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    name: str
    hint: str
    store_id: str | None
    rights: frozenset[Right]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """A new token with its secret, which is never shown again."""

    token: Token
    secret: str


def rights_of(names: Sequence[str]) -> frozenset[Right]:
    """Rights by their names. A name that this release does not know is no right."""
    known = set(Right)
    return frozenset(Right(name) for name in names if name in known)
