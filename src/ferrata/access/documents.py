"""People, roles, sessions and tokens as programs see them over HTTP."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, StrictBool, StrictInt
from pydantic.alias_generators import to_camel

from ferrata.access.explanation import Explanation
from ferrata.access.letters import Handed
from ferrata.access.roles import SAID, left_out, permissions_of, right_named
from ferrata.access.schemas import Link, Member, Principal, Purpose, Right, Role, Session, Standing, StoreRole, Token
from ferrata.infra.errors import Problem, Rejected


class Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True, extra="forbid")


Name = Annotated[str, Field(max_length=320)]
Names = Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=100)]


class SignInDocument(Document):
    email: Name
    password: Annotated[SecretStr, Field(max_length=1024)]


class NewPasswordDocument(Document):
    old_password: Annotated[SecretStr, Field(max_length=1024)]
    new_password: Annotated[SecretStr, Field(max_length=1024)]


class SeatDocument(Document):
    """What somebody is in one store, and what they may do there because of it."""

    store_id: str
    role: str
    level: int
    rights: list[Right]

    @classmethod
    def of(cls, store_id: str, role: StoreRole) -> "SeatDocument":
        return cls(store_id=store_id, role=role.name, level=role.level, rights=sorted(role.effective))


class WhoDocument(Document):
    """Who is asking. ``rights`` hold in every store, or in that of ``storeId``; those of ``stores`` in the one named."""

    kind: Literal["person", "token", "command"]
    id: str
    name: str
    email: str | None
    store_id: str | None
    rights: list[Right]
    stores: list[SeatDocument]

    @classmethod
    def of(cls, who: Principal) -> "WhoDocument":
        seats = [SeatDocument.of(store_id, seat) for store_id, seat in sorted(who.seats.items())]
        told = {name: getattr(who, name) for name in ("kind", "id", "name", "email", "store_id")}
        return cls(**told, rights=sorted(who.rights), stores=seats)


class SessionDocument(Document):
    id: str
    created_at: AwareDatetime
    seen_at: AwareDatetime
    expires_at: AwareDatetime
    browser: str = Field(description="The agent as people say it, such as Firefox on Linux.")
    agent: str
    address: str
    current: bool

    @classmethod
    def of(cls, session: Session, who: Principal) -> "SessionDocument":
        told = {name: getattr(session, name) for name in cls.model_fields if hasattr(session, name)}
        return cls(**told, current=session.id == who.session_id)


class SessionsDocument(Document):
    sessions: list[SessionDocument]


class EndedDocument(Document):
    ended: int


class MemberDocument(Document):
    person_id: str
    email: str
    name: str
    role: str
    created_at: AwareDatetime
    signed_in_at: AwareDatetime | None

    @classmethod
    def of(cls, member: Member) -> "MemberDocument":
        return cls(**{name: getattr(member, name) for name in cls.model_fields})


class MembersDocument(Document):
    members: list[MemberDocument]


class RoleChangeDocument(Document):
    role: Annotated[str, Field(max_length=40)]
    keep_tokens: StrictBool = False


class InviteDocument(Document):
    """``handOver``: give the link in the answer, although it could be mailed."""

    email: Name
    role: Annotated[str, Field(max_length=40)]
    hand_over: StrictBool = False


class InvitationDocument(Document):
    """``url`` is there once, in the answer that made it, unless it was mailed; ``notMailed`` says why it could not be."""

    id: str
    email: str
    role: str
    invited_by: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    used_at: AwareDatetime | None
    withdrawn_at: AwareDatetime | None
    url: str | None = None
    not_mailed: str | None = None

    @classmethod
    def of(cls, link: Link, handed: Handed | None = None) -> "InvitationDocument":
        names = ("id", "email", "role", "created_at", "expires_at", "used_at", "withdrawn_at")
        told: dict[str, Any] = {"url": handed.url, "not_mailed": handed.why} if handed else {}
        return cls(**{name: getattr(link, name) for name in names}, invited_by=link.made_by_name, **told)


class InvitationsDocument(Document):
    invitations: list[InvitationDocument]


class LinkDocument(Document):
    """A link that is good for one use; ``url`` and ``notMailed`` as those of an invitation."""

    purpose: Purpose
    email: str
    url: str | None
    not_mailed: str | None
    expires_at: AwareDatetime

    @classmethod
    def of(cls, link: Link, handed: Handed) -> "LinkDocument":
        told = {"url": handed.url, "not_mailed": handed.why}
        return cls(purpose=link.purpose, email=link.email, expires_at=link.expires_at, **told)


class StoreRoleDocument(Document):
    """``permissions`` are the rights by the names of seed 002; ``rights`` those for which the level suffices."""

    name: str
    level: int
    own: bool
    description: str
    rights: list[Right]
    permissions: dict[str, dict[str, bool]]

    @classmethod
    def of(cls, role: StoreRole) -> "StoreRoleDocument":
        return cls(
            name=role.name,
            level=role.level,
            own=role.id is not None,
            description=SAID.get(role.name, "A role that this store made."),
            rights=sorted(role.effective),
            permissions=permissions_of(role),
        )


class MadeRoleDocument(StoreRoleDocument):
    """``warnings`` say which of the rights asked for it does not hold at its level, and why."""

    warnings: list[str]

    @classmethod
    def of(cls, role: StoreRole) -> "MadeRoleDocument":
        return cls(**dict(StoreRoleDocument.of(role)), warnings=left_out(role))


class StoreRolesDocument(Document):
    roles: list[StoreRoleDocument]


class NewRoleDocument(Document):
    """``rights`` by their own names or by those of seed 002, such as ``manage_integrations``."""

    name: Annotated[str, Field(max_length=40)]
    rights: Names
    level: Annotated[StrictInt, Field(ge=1, le=99)] | None = None


class ChangedRoleDocument(Document):
    rights: Names | None = None
    level: Annotated[StrictInt, Field(ge=1, le=99)] | None = None


class PersonDocument(Document):
    id: str
    email: str
    name: str
    role: Role
    created_at: AwareDatetime
    signed_in_at: AwareDatetime | None


class PeopleDocument(Document):
    people: list[PersonDocument]


class PersonChangeDocument(Document):
    role: Role


class TokenDocument(Document):
    """``token`` is the secret: it is there once, in the answer that made it.

    ``effectiveRights`` are those of ``rights`` that whoever made it, ``madeBy``, has there now. ``madeWith`` is the id of the
    token that it was made with, and ends with.
    """

    id: str
    name: str
    starts_with: str
    store_id: str | None
    rights: list[Right]
    effective_rights: list[Right]
    made_by: str | None
    made_with: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    token: str | None = None

    @classmethod
    def of(cls, token: Token, held: Standing, secret: str | None = None) -> "TokenDocument":
        names = ("id", "name", "store_id", "made_with", "created_at", "expires_at", "revoked_at")
        told = {name: getattr(token, name) for name in names}
        told |= {"starts_with": token.hint, "last_used_at": token.used_at, "made_by": held.maker, "token": secret}
        return cls(**told, rights=sorted(token.rights), effective_rights=sorted(held.rights))


class TokensDocument(Document):
    tokens: list[TokenDocument]


class NewTokenDocument(Document):
    """``storeId`` null: for every store, which only those may make who manage the whole installation."""

    name: Annotated[str, Field(max_length=200)]
    rights: Names | None = None
    store_id: Annotated[str, Field(max_length=80)] | None = None
    all_stores: StrictBool = False
    expires_at: AwareDatetime | None = None


class RotationDocument(Document):
    """For how many hours the old secret stays good."""

    keep_old_hours: Annotated[StrictInt, Field(ge=0, le=720)] = 24


class StepDocument(Document):
    what: str
    holds: bool | None


class ExplanationDocument(Document):
    who: str
    right: Right
    store_id: str | None
    allowed: bool
    verdict: str
    steps: list[StepDocument]

    @classmethod
    def of(cls, found: Explanation) -> "ExplanationDocument":
        return cls.model_validate(found)


def rights_named(names: list[str]) -> frozenset[Right]:
    """Raises Rejected, which names those that do not exist."""
    found, problems = rights_among(names)
    if problems:
        raise Rejected(problems=problems)
    return found


def rights_among(names: list[str]) -> tuple[frozenset[Right], tuple[Problem, ...]]:
    """Those that exist, and what is to be said of the others."""
    found = {name: right_named(name) for name in names}
    problems = tuple(Problem("rights", f"there is no right {name!r}") for name, right in found.items() if right is None)
    return frozenset(right for right in found.values() if right is not None), problems
