"""The first administrator: made by whoever can read the one-time token that the server prints when there is nobody yet."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ferrata.access import store
from ferrata.access.errors import SetupTokenUnknown, TooManyGuesses
from ferrata.access.people import People
from ferrata.access.schemas import Person, Role
from ferrata.audit.schemas import Actor
from ferrata.infra.allowance import Allowance
from ferrata.infra.crypto import digest
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock

GOOD_FOR = timedelta(hours=24)
_GUESSES = Allowance(10, timedelta(minutes=15))
_SETUP = Actor("system", "setup", "whoever holds the one-time token")


class FirstAdministrator:
    def __init__(self, database: Database, clock: Clock, people: People) -> None:
        self._database = database
        self._clock = clock
        self._people = people

    async def is_needed(self) -> bool:
        return await self._people.count() == 0

    async def issue_token(self) -> tuple[str, datetime] | None:
        """A one-time token and its end, or None when somebody is here already. Each start makes one; the first used ends all."""
        if not await self.is_needed():
            return None
        now, secret = self._clock.now(), secrets.token_urlsafe(24)

        def work(connection: Connection) -> None:
            store.forget_expired_setup_tokens(connection, now)
            store.add_setup_token(connection, digest(secret), now + GOOD_FOR)

        await self._database.write(work)
        return secret, now + GOOD_FOR

    async def create(self, token: str, email: str, name: str, password: str, *, address: str) -> Person:
        """Make the first administrator.

        Raises:
            SetupTokenUnknown: wrong, used, expired, or there is somebody already.
            TooManyGuesses: 10 wrong tokens from this address in the last 15 minutes.
            Rejected: the address or the password cannot be taken; the token stays good.
        """
        now = self._clock.now()
        wait = await self._database.write(lambda connection: _GUESSES.take(connection, f"guesses/setup/{address[:64]}", now))
        if wait is not None:
            raise TooManyGuesses(wait)
        person, password_hash = await self._people.prepared(email, name, password, Role.ADMINISTRATOR)

        def work(connection: Connection) -> None:
            open_tokens = store.take_setup_tokens(connection)  # undone together with everything else if we raise
            expires_at = open_tokens.get(digest(token.strip()))
            if expires_at is None or expires_at <= now or store.count_people(connection):
                raise SetupTokenUnknown
            self._people.add(connection, person, password_hash, _SETUP)

        await self._database.write(work)
        return person
