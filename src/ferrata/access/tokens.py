"""Tokens of programs: made, shown once, known by their hash, revoked."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from ferrata.access import token_store as store
from ferrata.access.schemas import HIGHEST_LEVEL, STORE_TOKEN, CreatedToken, Principal, Right, Token
from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.infra.crypto import digest
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, Problem, Rejected, StorageUnavailable
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.kit.names import is_name

log = structlog.get_logger()

PREFIX = "frt_"
CACHE_SECONDS = 1.5
TOKEN_LEVEL = 80
"""As an admin's: a token that may manage members makes no owners, unless it may manage the whole installation."""
_USE_NOTED_EVERY = timedelta(minutes=1)
_MOST_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class _Seen:
    token: Token | None
    until: float


class Tokens:
    def __init__(self, database: Database, clock: Clock, audit: Audit, make_secret: Callable[[], str] | None = None) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._make_secret = make_secret or (lambda: PREFIX + secrets.token_urlsafe(32))
        self._cache: dict[str, _Seen] = {}

    async def create(
        self,
        name: str,
        *,
        actor: Actor,
        store_id: str | None,
        rights: frozenset[Right] = STORE_TOKEN,
        expires_at: datetime | None = None,
    ) -> CreatedToken:
        """Make a token; its secret is in the answer and nowhere else.

        Raises:
            Rejected: no name, no rights, or an end in the past.
        """
        now = self._clock.now()
        _check(name, rights, expires_at, now)
        secret = self._make_secret()

        def work(connection: Connection) -> Token:
            made_by = _person_behind(connection, actor)
            token = Token(new_id(now), name.strip(), secret[:8], store_id, rights, now, expires_at, None, None, made_by)
            store.add(connection, token, digest(secret))
            after = {"name": token.name, "hint": token.hint, "rights": sorted(rights), "expires_at": expires_at}
            self._audit.record(connection, actor, "access.key_created", f"token/{token.id}", store_id=store_id, after=after)
            return token

        return CreatedToken(await self._database.write(work), secret)

    async def authenticate(self, secret: str) -> Principal | None:
        """Who holds this secret; None if nobody does any more. A revocation is seen within 2 s by every process."""
        if not secret.startswith(PREFIX) or len(secret) > 200:
            return None
        token = await self._find(digest(secret))
        now = self._clock.now()
        if token is None or token.revoked_at or (token.expires_at and token.expires_at <= now):
            return None
        level = HIGHEST_LEVEL if Right.ACCESS_MANAGE in token.rights else TOKEN_LEVEL
        return Principal("token", token.id, token.name, token.store_id, token.rights, level=level)

    async def revoke(self, token_id: str, *, actor: Actor) -> Token:
        """End a token; revoking it again changes nothing.

        Raises:
            NotFound: there is no such token.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Token:
            token = store.by_id(connection, token_id)
            if token is None:
                raise NotFound("There is no such token.")
            if store.revoke(connection, token_id, now):
                before = {"name": token.name, "hint": token.hint}
                target = f"token/{token.id}"
                self._audit.record(connection, actor, "access.key_revoked", target, store_id=token.store_id, before=before)
            return token

        token = await self._database.write(work)
        self._cache.clear()
        return token

    async def all(self, store_id: str | None = None) -> list[Token]:
        """Newest first, revoked ones too; those bound to ``store_id`` or all."""
        return await self._database.read(lambda connection: store.all_of(connection, store_id))

    async def find(self, who: str) -> Token | None:
        """By id, name or first characters; the newest of those that fit. The whole secret is not taken: it would be logged."""
        every = await self.all()
        return next((token for token in every if who in (token.id, token.name, token.hint)), None)

    async def one(self, token_id: str) -> Token:
        """Raises NotFound."""
        found = await self._database.read(lambda connection: store.by_id(connection, token_id))
        if found is None:
            raise NotFound("There is no such token.")
        return found

    async def rotate(self, token_id: str, *, actor: Actor, keep_old_hours: int = 24) -> CreatedToken:
        """A new secret with the same name, store, rights and end. The old one stays good for so many hours, then it ends.

        Raises:
            NotFound: there is no such token, or it is not good any more.
        """
        now, secret, keep_old = self._clock.now(), self._make_secret(), timedelta(hours=keep_old_hours)

        def work(connection: Connection) -> Token:
            old = store.by_id(connection, token_id)
            if old is None or old.revoked_at or (old.expires_at and old.expires_at <= now):
                raise NotFound("There is no such token that is still good.")
            made_by = _person_behind(connection, actor)
            fresh = replace(old, id=new_id(now), hint=secret[:8], created_at=now, used_at=None, made_by=made_by)
            store.add(connection, fresh, digest(secret))
            end = min(now + keep_old, old.expires_at or now + keep_old)
            store.set_end(connection, old.id, end)
            before, after = {"hint": old.hint, "ends_at": end}, {"name": fresh.name, "hint": fresh.hint}
            target = f"token/{fresh.id}"
            self._audit.record(
                connection, actor, "access.key_rotated", target, store_id=fresh.store_id, before=before, after=after
            )
            return fresh

        fresh = await self._database.write(work)
        self._cache.clear()
        return CreatedToken(fresh, secret)

    async def _find(self, secret_hash: str) -> Token | None:
        seen = self._cache.get(secret_hash)
        if seen and self._clock.monotonic() < seen.until:
            return seen.token
        token = await self._database.read(lambda connection: store.find(connection, secret_hash))
        if len(self._cache) >= _MOST_CACHED:
            self._cache.clear()
        self._cache[secret_hash] = _Seen(token, self._clock.monotonic() + CACHE_SECONDS)
        if token:
            await self._note_use(token)
        return token

    async def _note_use(self, token: Token) -> None:
        """Once a minute at most. A token is as good on a full disk, so a failure here is not the request's."""
        now = self._clock.now()
        if token.used_at and now - token.used_at < _USE_NOTED_EVERY:
            return
        try:
            await self._database.write(lambda connection: store.note_use(connection, token.id, now))
        except StorageUnavailable as error:
            log.warning("access.use_not_noted", token_id=token.id, error=error.message)


def _person_behind(connection: Connection, actor: Actor) -> str | None:
    """Who may know what this actor was given: a person, also one who made it with a token of theirs."""
    if actor.kind == "token":
        token = store.by_id(connection, actor.id)
        return token.made_by if token else None
    return actor.id if actor.kind == "person" else None


def _check(name: str, rights: frozenset[Right], expires_at: datetime | None, now: datetime) -> None:
    problems = []
    if not is_name(name.strip()):
        sentence = "name needs 1 to 120 characters in one line, such as the program that will use the token"
        problems.append(Problem("name", sentence))
    if not rights:
        problems.append(Problem("rights", "rights must name at least one right"))
    if expires_at and expires_at <= now:
        problems.append(Problem("expiresAt", "expiresAt must lie in the future"))
    if problems:
        raise Rejected(problems=tuple(problems))
