"""A new password: chosen by whoever knows the old one, or through a link that an administrator hands over."""

from datetime import timedelta

from sqlalchemy import Connection

from ferrata.access import link_store, store
from ferrata.access.errors import LinkUnknown, TooManyGuesses, WrongPassword
from ferrata.access.links import MadeLink, reset
from ferrata.access.members import person_of
from ferrata.access.passwords import Passwords, check_strength
from ferrata.access.people import People
from ferrata.access.rank import check_may_treat
from ferrata.access.schemas import Link, Principal, Purpose
from ferrata.access.tokens import good_maker
from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.infra.allowance import Allowance, give_back
from ferrata.infra.crypto import digest
from ferrata.infra.database import Database
from ferrata.infra.errors import Forbidden
from ferrata.kit.clock import Clock

_GUESSES = Allowance(10, timedelta(minutes=15))


class Resets:
    def __init__(self, database: Database, clock: Clock, audit: Audit, people: People, passwords: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._people = people
        self._passwords = passwords

    async def change_own(self, who: Principal, old: str, new: str) -> None:
        """Change the own password; every other session ends, this one stays.

        Raises:
            Forbidden: a token has no password.
            WrongPassword: the old one is another.
            TooManyGuesses: 10 in the last 15 minutes.
            WeakPassword: the new one would be guessed.
        """
        if who.email is None:
            raise Forbidden("Only people have a password.")
        email, name, now = who.email, f"guesses/change/{who.id}", self._clock.now()
        wait = await self._database.write(lambda connection: _GUESSES.take(connection, name, now))
        if wait is not None:
            raise TooManyGuesses(wait)
        found = await self._database.read(lambda connection: store.find_person(connection, email))
        if not await self._passwords.verify(old, (found[1] or None) if found else None):
            raise WrongPassword
        check_strength(new, email)
        password_hash = await self._passwords.hash(new)

        def work(connection: Connection) -> None:
            give_back(connection, name)
            store.set_password(connection, who.id, password_hash)
            store.end_sessions_of(connection, who.id, but=who.session_id)
            store.forget_browsers_of(connection, who.id)
            link_store.withdraw_for(connection, email, Purpose.RESET, now)
            self._audit.record(connection, who.actor, "access.password_changed", f"person/{who.id}")

        await self._database.write(work)

    async def offer(self, person_id: str, *, by: Principal) -> MadeLink:
        """A link with which this person chooses a new password. The old one stays good until then.

        Raises:
            NotFound: nobody has this id.
            AboveYourself: they may do more than ``by``, who could sign in as them.
        """
        person = await self._people.by_id(person_id)
        check_may_treat(by, person.role, f"{person.name}, as")
        now = self._clock.now()

        def work(connection: Connection) -> MadeLink:
            maker = good_maker(connection, by.actor, now)
            made = reset(person.email, by.actor, now, until=maker.expires_at if maker else None)
            link_store.withdraw_older(connection, made.link)
            link_store.add(connection, made.link, digest(made.secret))
            after = {"expires_at": made.link.expires_at}
            self._audit.record(connection, by.actor, "access.password_reset_offered", f"person/{person_id}", after=after)
            return made

        return await self._database.write(work)

    async def look(self, secret: str) -> Link:
        """Raises LinkUnknown: never made, used, withdrawn or expired. Looking uses nothing up."""
        link = await self._database.read(lambda connection: link_store.find(connection, digest(secret), Purpose.RESET))
        if link is None or not link.is_open(self._clock.now()):
            raise LinkUnknown
        return link

    async def choose(self, secret: str, password: str) -> None:
        """Set the new password: the link is used up, and every session of the person ends.

        Raises:
            LinkUnknown: as ``look``.
            WeakPassword: it would be guessed; the link stays good.
        """
        link = await self.look(secret)
        check_strength(password, link.email)
        password_hash, now = await self._passwords.hash(password), self._clock.now()

        def work(connection: Connection) -> None:
            person = person_of(connection, link.email)
            if person is None or not link_store.use(connection, link.id, now):
                raise LinkUnknown
            store.set_password(connection, person.id, password_hash)
            store.end_sessions_of(connection, person.id)
            store.forget_browsers_of(connection, person.id)
            actor = Actor("person", person.id, person.name)
            self._audit.record(connection, actor, "access.password_changed", f"person/{person.id}", after={"by": "link"})

        await self._database.write(work)
