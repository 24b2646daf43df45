"""Signing in and staying signed in.

Guesses are limited per account and per address. So that nobody can lock an owner out by guessing on purpose, a browser in which
the owner has signed in before has a count of its own.
"""

import hashlib
import ipaddress
import secrets
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from ferrata.access import member_store, store
from ferrata.access.errors import NotSignedIn, TooManyGuesses
from ferrata.access.passwords import Passwords
from ferrata.access.people import normal_email
from ferrata.access.schemas import HIGHEST_LEVEL, Browser, Person, Principal, Role, Session, SignedIn, StoreRole
from ferrata.audit.schemas import SOMEBODY, Actor, Refused
from ferrata.audit.service import Audit
from ferrata.infra.allowance import Allowance, give_back
from ferrata.infra.crypto import digest
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, StorageUnavailable
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.kit.masking import mask_email

log = structlog.get_logger()

GUESSES = Allowance(10, timedelta(minutes=15))
LONGEST = timedelta(days=30)
IDLE = timedelta(days=7)
KNOWN_FOR = timedelta(days=365)
_SEEN_NOTED_EVERY = timedelta(minutes=1)


class Sessions:
    def __init__(self, database: Database, clock: Clock, audit: Audit, passwords: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._passwords = passwords

    async def sign_in(self, email: str, password: str, browser: Browser) -> SignedIn:
        """Check the password and open a session with a new secret.

        Raises:
            NotSignedIn: the same words and the same time, whether or not there is such an account.
            TooManyGuesses: 10 in the last 15 minutes, for this account or from this address.
        """
        try:
            return await self._sign_in(normal_email(email), password, browser)
        except (NotSignedIn, TooManyGuesses) as error:
            target = f"sign-in/{mask_email(normal_email(email))}"
            refused = Refused(SOMEBODY, error.code, target, self._clock.now(), "access.sign_in_refused", address=browser.address)
            self._audit.refused(refused)
            raise

    async def _sign_in(self, email: str, password: str, browser: Browser) -> SignedIn:
        found = await self._database.read(lambda connection: store.find_person(connection, email))
        names = await self._counted_under(email, found[0] if found else None, browser)
        await self._count_guess(names)
        person, password_hash = found or (None, None)
        if not await self._passwords.verify(password, password_hash) or person is None:
            log.info("access.sign_in_failed", email=email, address=browser.address)
            raise NotSignedIn
        return await self._open(person, browser, names)

    async def open_for(self, person: Person, browser: Browser, *, via: str) -> SignedIn:
        """Open a session for somebody who has shown otherwise who they are: ``via`` says how, for the audit."""
        return await self._open(person, browser, [], via)

    async def authenticate(self, secret: str) -> Principal | None:
        """Who is signed in with this secret; None if it was ended, is too old, or was not used for a week."""
        found = await self._database.read(lambda connection: _find(connection, digest(secret)))
        if found is None:
            return None
        session, person, seats = found
        now = self._clock.now()
        if session.expires_at <= now or now - session.seen_at > IDLE:
            return None
        if now - session.seen_at > _SEEN_NOTED_EVERY:
            try:
                await self._database.write(lambda connection: store.touch_session(connection, session.id, now))
            except StorageUnavailable as error:  # reading must go on while nothing can be written
                log.warning("access.use_not_noted", session_id=session.id, error=error.message)
        level = HIGHEST_LEVEL if person.role is Role.ADMINISTRATOR else 0
        rights = person.role.rights
        return Principal("person", person.id, person.name, None, rights, session.id, person.email, seats, level)

    async def end(self, session_id: str, *, actor: Actor) -> None:
        """End one session; its browser is signed out with its next request.

        Raises:
            NotFound: there is no such session.
        """

        def work(connection: Connection) -> None:
            session = store.session_by_id(connection, session_id)
            if session is None:
                raise NotFound("This session has ended already.")
            store.end_session(connection, session_id)
            self._audit.record(connection, actor, "access.session_ended", f"person/{session.person_id}")

        await self._database.write(work)

    async def all(self, person_id: str | None = None) -> list[Session]:
        """The open sessions, of everybody or of one person; the last used first."""
        now = self._clock.now()
        found = await self._database.read(lambda connection: store.open_sessions(connection, now))
        return [each for each in found if now - each.seen_at <= IDLE and person_id in (None, each.person_id)]

    async def end_own(self, who: Principal, session_id: str) -> None:
        """End one of one's own. Raises NotFound: it has ended, or is somebody else's."""
        if session_id not in {session.id for session in await self.all(who.id)}:
            raise NotFound("This session has ended already.")
        await self.end(session_id, actor=who.actor)

    async def end_others(self, who: Principal) -> int:
        """End all of one's own but the one that asks; how many."""

        def work(connection: Connection) -> int:
            ended = store.end_sessions_of(connection, who.id, but=who.session_id)
            if ended:
                after = {"count": ended}
                self._audit.record(connection, who.actor, "access.sessions_ended", f"person/{who.id}", after=after)
            return ended

        return await self._database.write(work)

    async def _counted_under(self, email: str, person: Person | None, browser: Browser) -> list[str]:
        if person and browser.known_secret:
            known = digest(browser.known_secret)
            if await self._database.read(lambda connection: store.is_known_browser(connection, known, person.id)):
                return [f"guesses/browser/{known}"]
        return [f"guesses/account/{hashlib.sha256(email.encode()).hexdigest()}", f"guesses/address/{_network(browser.address)}"]

    async def _count_guess(self, names: list[str]) -> None:
        now = self._clock.now()

        def work(connection: Connection) -> None:
            waits = [GUESSES.take(connection, name, now) for name in names]
            longest = max((wait for wait in waits if wait is not None), default=None)
            if longest is not None:
                raise TooManyGuesses(longest)

        await self._database.write(work)

    async def _open(self, person: Person, browser: Browser, names: list[str], via: str = "password") -> SignedIn:
        now = self._clock.now()
        secret, known = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        session = Session(new_id(now), person.id, now, now, now + LONGEST, browser.agent[:200], browser.address[:64])

        def work(connection: Connection) -> None:
            for name in names:
                give_back(connection, name)
            GUESSES.forget_old(connection, now)
            store.forget_expired_sessions(connection, now)
            store.add_session(connection, session, digest(secret))
            known_before = digest(browser.known_secret) if browser.known_secret else None
            store.forget_browsers(connection, known_before, now - KNOWN_FOR)
            store.add_known_browser(connection, digest(known), person.id, now)
            store.note_sign_in(connection, person.id, now)
            actor = Actor("person", person.id, person.name)
            self._audit.record(
                connection, actor, "access.signed_in", f"person/{person.id}", after={"address": browser.address, "with": via}
            )

        await self._database.write(work)
        return SignedIn(person, secret, session.expires_at, known)


def _find(connection: Connection, secret_hash: str) -> tuple[Session, Person, dict[str, StoreRole]] | None:
    found = store.find_session(connection, secret_hash)
    return (*found, member_store.seats_of(connection, found[1].id)) if found else None


def _network(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address, which is one household."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
