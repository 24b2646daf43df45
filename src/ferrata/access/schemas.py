"""Rights, roles, and who is asking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from ferrata.access.browsers import readable
from ferrata.access.errors import LacksRight
from ferrata.audit.schemas import COMMAND_LINE, Actor


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
    FLAGS_READ = "flags:read"
    FLAGS_MANAGE = "flags:manage"
    ALERTS_READ = "alerts:read"
    ALERTS_MANAGE = "alerts:manage"
    RETENTION_READ = "retention:read"
    RETENTION_MANAGE = "retention:manage"
    CONNECTIONS_READ = "connections:read"
    CONNECTIONS_MANAGE = "connections:manage"
    STORES_EDIT = "stores:edit"  # name, time zone, currency of a store that is there
    STORES_MANAGE = "stores:manage"  # make stores
    MEMBERS_READ = "members:read"
    MEMBERS_MANAGE = "members:manage"
    TOKENS_MANAGE = "tokens:manage"
    ACCESS_MANAGE = "access:manage"  # the people of the whole installation, and tokens for every store
    AUDIT_READ = "audit:read"
    HEALTH_READ = "health:read"
    METRICS_READ = "metrics:read"


ALL_RIGHTS = frozenset(Right)
READING = frozenset(right for right in Right if right.endswith(":read"))
INSTALLATION_RIGHTS = frozenset({Right.ACCESS_MANAGE, Right.STORES_MANAGE, Right.HEALTH_READ, Right.METRICS_READ})
"""What concerns all stores at once: no role in a store holds these."""
STORE_RIGHTS = ALL_RIGHTS - INSTALLATION_RIGHTS
STORE_TOKEN = READING - {Right.AUDIT_READ, Right.MEMBERS_READ} | {
    Right.EVENTS_WRITE,
    Right.SOURCES_WRITE,
    Right.SOURCES_MANAGE,
    Right.KLAVIYO_WRITE,
    Right.DELIVERY_MANAGE,
    Right.RETENTION_MANAGE,
}
"""What a token may do unless told otherwise: work with events, not with keys, people or tokens."""


class Role(StrEnum):
    """In the whole installation. A member may do only what the stores say in which they have a role."""

    ADMINISTRATOR = "administrator"
    READER = "reader"
    MEMBER = "member"

    @property
    def rights(self) -> frozenset[Right]:
        return {Role.ADMINISTRATOR: ALL_RIGHTS, Role.READER: READING, Role.MEMBER: frozenset[Right]()}[self]


@dataclass(frozen=True, slots=True)
class StoreRole:
    """What somebody is in one store. ``store_id`` None: a role that every store has; else one that this store made."""

    name: str
    level: int
    rights: frozenset[Right]
    store_id: str | None = None
    id: str | None = None

    @property
    def effective(self) -> frozenset[Right]:
        """The rights without those for which the level does not suffice."""
        return frozenset(right for right in self.rights if self.level >= LEAST_LEVEL.get(right, 0))


LEAST_LEVEL: Mapping[Right, int] = MappingProxyType({Right.CONNECTIONS_MANAGE: 80})
"""Rights that a role's level must reach as well: keys are for owners and admins, whatever a role of one's own says."""
HIGHEST_LEVEL = 100


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a program with a token, or a person with a session.

    ``rights`` hold in every store, or in the one of ``store_id``. What a person may do beyond that in single stores is in
    ``seats``; ``within`` gives the principal as it is towards one store, and that is what a route's ``needs`` hands over.
    """

    kind: Literal["token", "person", "command"]
    id: str
    name: str
    store_id: str | None
    rights: frozenset[Right]
    session_id: str | None = None
    email: str | None = None
    seats: Mapping[str, StoreRole] = field(default_factory=dict)
    level: int = HIGHEST_LEVEL

    def may(self, right: Right) -> bool:
        return right in self.rights

    def require(self, right: Right) -> None:
        """Raises LacksRight, which names what is needed."""
        if not self.may(right):
            raise LacksRight(f"Insufficient permissions: this needs the right {right}, which {self.name!r} does not have.")

    def sees(self, store_id: str) -> bool:
        """Whether this store is any business of theirs."""
        return self.store_id == store_id or store_id in self.seats or (self.store_id is None and bool(self.rights))

    def within(self, store_id: str) -> "Principal":
        """Towards one store: bound to it as soon as a seat there is what gives a right."""
        seat = self.seats.get(store_id)
        if seat is None or seat.effective <= self.rights:
            return self
        level = max(seat.level, self.level) if self.rights else seat.level
        return replace(self, store_id=store_id, rights=self.rights | seat.effective, level=level)

    @property
    def actor(self) -> Actor:
        return Actor(self.kind, self.id, self.name)


AT_THE_SERVER = Principal("command", COMMAND_LINE.id, COMMAND_LINE.name, None, ALL_RIGHTS)
"""Whoever can run commands there, who can read the database as well."""


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    email: str
    name: str
    role: Role
    created_at: datetime
    signed_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody's place in one store."""

    person_id: str
    store_id: str
    email: str
    name: str
    role: str
    created_at: datetime
    signed_in_at: datetime | None


class Purpose(StrEnum):
    INVITATION = "invitation"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Link:
    """A secret that is good for one use: an invitation, or a new password. ``store_id`` None: of the whole installation."""

    id: str
    purpose: Purpose
    email: str
    store_id: str | None
    role: str
    made_by: str
    made_by_name: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    withdrawn_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        return self.used_at is None and self.withdrawn_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class OidcAttempt:
    """A sign-in with an OpenID provider that was begun, until it is ended."""

    browser_hash: str
    nonce: str
    verifier: str
    wanted: str
    expires_at: datetime


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

    @property
    def browser(self) -> str:
        """Such as Firefox on Linux."""
        return readable(self.agent)


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
    made_by: str | None = None
    made_with: str | None = None

    def is_good(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def outlives(self, other: "Token") -> bool:
        return other.expires_at is not None and (self.expires_at is None or self.expires_at > other.expires_at)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a token may do now: never more than whoever made it. ``maker`` is their name; None: a command made it."""

    rights: frozenset[Right]
    level: int
    maker: str | None = None


@dataclass(frozen=True, slots=True)
class MadeWith:
    """What was made with a token and is good still: the names of tokens, and the addresses that were invited."""

    tokens: tuple[str, ...] = ()
    invited: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tokens or self.invited)


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """A new token with its secret, which is never shown again."""

    token: Token
    secret: str


def rights_of(names: Sequence[str]) -> frozenset[Right]:
    """Rights by their names. A name that this release does not know is no right."""
    known = set(Right)
    return frozenset(Right(name) for name in names if name in known)
