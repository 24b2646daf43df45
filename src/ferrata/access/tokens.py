"""Tokens of programs: made, shown once, known by their hash, revoked."""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from ferrata.access import token_store as store
from ferrata.access.errors import AboveYourself, UnknownToken
from ferrata.access.schemas import STORE_TOKEN, CreatedToken, MadeWith, Principal, Right, Standing, Token
from ferrata.access.token_ending import end_made_with, keep_made_with, made_with, note_revoked
from ferrata.access.token_standing import person_behind, standing, standings
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
_USE_NOTED_EVERY = timedelta(minutes=1)
_MOST_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class _Seen:
    token: Token | None
    principal: Principal | None
    until: float


class Tokens:
    def __init__(self, database: Database, clock: Clock, audit: Audit, make_secret: Callable[[], str] | None = None) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._make_secret = make_secret or (lambda: PREFIX + secrets.token_urlsafe(32))
        self._cache: dict[str, _Seen] = {}
        self._looking: dict[str, asyncio.Task[_Seen]] = {}

    async def create(
        self,
        name: str,
        *,
        actor: Actor,
        store_id: str | None,
        rights: frozenset[Right] = STORE_TOKEN,
        expires_at: datetime | None = None,
        faults: Sequence[Problem] = (),
    ) -> CreatedToken:
        """Make a token; its secret is in the answer and nowhere else.

        Args:
            faults: what is known already to be wrong with what was asked for; it is told with all the rest.

        Raises:
            Rejected: no name, no rights, an end in the past or after that of the token which makes it; all at once.
        """
        now = self._clock.now()
        secret = self._make_secret()

        def work(connection: Connection) -> Token:
            maker = good_maker(connection, actor, now)
            if wrong := [*faults, *_faults(name, rights or faults, expires_at, now=now, maker=maker)]:
                raise Rejected(problems=tuple(wrong))
            end = expires_at or (maker.expires_at if maker else None)
            made_by = person_behind(connection, actor)
            token = Token(new_id(now), name.strip(), secret[:8], store_id, rights, now, end, None, None, made_by, _id(maker))
            store.add(connection, token, digest(secret))
            after = {"name": token.name, "hint": token.hint, "rights": sorted(rights), "expires_at": end}
            self._audit.record(connection, actor, "access.key_created", f"token/{token.id}", store_id=store_id, after=after)
            return token

        return CreatedToken(await self._database.write(work), secret)

    async def authenticate(self, secret: str) -> Principal | None:
        """Who holds this secret; None if nobody does any more. A revocation is seen within 2 s by every process."""
        if not secret.startswith(PREFIX) or len(secret) > 200:
            return None
        seen = self._cache.get(secret)
        if seen is None or self._clock.monotonic() >= seen.until:
            seen = await self._look_once(secret)
        return seen.principal if seen.token and seen.token.is_good(self._clock.now()) else None

    async def revoke(self, token_id: str, *, actor: Actor, keep_made: bool = False) -> Token:
        """End a token, and what was made with it: tokens, invitations and links to new passwords; again changes nothing.

        Args:
            keep_made: leave that alone. Open links count as made by ``actor`` then.

        Raises:
            NotFound: there is no such token.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Token:
            token = store.locked(connection, token_id)
            if token is None:
                raise NotFound("There is no such token.")
            if store.revoke(connection, token_id, now):
                note_revoked(connection, self._audit, actor, token)
            if keep_made:
                keep_made_with(connection, token, actor, now)
            else:
                end_made_with(connection, self._audit, actor, token, now)
            return token

        token = await self._database.write(work)
        self._forget()
        return token

    async def made_with(self, token_id: str) -> MadeWith:
        """What would end with it."""
        now = self._clock.now()

        return await self._database.read(lambda connection: made_with(connection, token_id, now))

    async def with_standing(self, store_id: str | None = None) -> list[tuple[Token, Standing]]:
        """As ``all``, each with what it may do now."""

        def work(connection: Connection) -> list[tuple[Token, Standing]]:
            tokens = store.all_of(connection, store_id)
            return list(zip(tokens, standings(connection, tokens), strict=True))

        return await self._database.read(work)

    async def standing_of(self, token: Token) -> Standing:
        return await self._database.read(lambda connection: standing(connection, token))

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

        What was made with the old one counts as made with the new one. A token that renews itself or another is its maker.

        Raises:
            NotFound: there is no such token, or it is not good any more.
            AboveYourself: it would outlive the token that asks for it.
        """
        now, secret, keep_old = self._clock.now(), self._make_secret(), timedelta(hours=keep_old_hours)

        def work(connection: Connection) -> Token:
            maker, old = good_maker(connection, actor, now), store.locked(connection, token_id)
            if old is None or not old.is_good(now):
                raise NotFound("There is no such token that is still good.")
            if maker and old.outlives(maker):
                raise AboveYourself(f"The token {old.name!r} ends later than yours, so yours cannot give it a new secret.")
            made_by = person_behind(connection, actor)
            fresh = replace(
                old, id=new_id(now), hint=secret[:8], created_at=now, used_at=None, made_by=made_by, made_with=_id(maker)
            )
            store.hand_over_made_with(connection, old.id, fresh.id)
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
        self._forget()
        return CreatedToken(fresh, secret)

    async def _look_once(self, secret: str) -> _Seen:
        """Of all the requests of one moment, one looks."""
        looking = self._looking.get(secret)
        if looking is None:
            looking = self._looking[secret] = asyncio.create_task(self._look(secret))
            looking.add_done_callback(partial(self._looked, secret))
        return await asyncio.shield(looking)

    async def _look(self, secret: str) -> _Seen:
        secret_hash = digest(secret)

        def work(connection: Connection) -> tuple[Token, Principal] | None:
            token = store.find(connection, secret_hash)
            return (token, _principal(token, standing(connection, token))) if token else None

        token, principal = await self._database.read(work) or (None, None)
        seen = _Seen(token, principal, self._clock.monotonic() + CACHE_SECONDS)
        if self._looking.get(secret) is asyncio.current_task():  # else one was revoked meanwhile, perhaps this one
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            self._cache[secret] = seen
        if token:
            await self._note_use(token)
        return seen

    def _looked(self, secret: str, looking: asyncio.Task[_Seen]) -> None:
        if self._looking.get(secret) is looking:
            del self._looking[secret]
        if not looking.cancelled():
            looking.exception()  # told to whoever asked, if anybody still waits

    def _forget(self) -> None:
        """Have every token looked for again; what is being looked for may be what it was before."""
        self._cache.clear()
        self._looking.clear()

    async def _note_use(self, token: Token) -> None:
        """Once a minute at most. A token is as good on a full disk, so a failure here is not the request's."""
        now = self._clock.now()
        if token.used_at and now - token.used_at < _USE_NOTED_EVERY:
            return
        try:
            await self._database.write(lambda connection: store.note_use(connection, token.id, now))
        except StorageUnavailable as error:
            log.warning("access.use_not_noted", token_id=token.id, error=error.message)


def good_maker(connection: Connection, actor: Actor, now: datetime) -> Token | None:
    """The token that asks, which cannot be revoked until what it makes is there; None if it is no token.

    Raises:
        UnknownToken: it is not good any more, whatever was known of it a second ago.
    """
    if actor.kind != "token":
        return None
    token = store.locked(connection, actor.id)
    if token is None or not token.is_good(now):
        raise UnknownToken
    return token


def _id(token: Token | None) -> str | None:
    return token.id if token else None


def _principal(token: Token, held: Standing) -> Principal:
    return Principal("token", token.id, token.name, token.store_id, held.rights, level=held.level)


def _faults(name: str, rights: object, expires_at: datetime | None, *, now: datetime, maker: Token | None) -> Iterator[Problem]:
    """What is wrong with a token that is to be made. It never ends after the one that makes it."""
    if not is_name(name.strip()):
        yield Problem("name", "name needs 1 to 120 characters in one line, such as the program that will use the token")
    if not rights:
        yield Problem("rights", "rights must name at least one right")
    if expires_at and expires_at <= now:
        yield Problem("expiresAt", "expiresAt must lie in the future")
    if expires_at and maker and maker.expires_at and expires_at > maker.expires_at:
        sentence = f"expiresAt must not lie after {maker.expires_at.isoformat()}, when the token ends that makes this one"
        yield Problem("expiresAt", sentence)
