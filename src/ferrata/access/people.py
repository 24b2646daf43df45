"""People: made by somebody who may, given a role, given a new password, removed. Every change of these ends their sessions."""

import re

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ferrata.access import link_store, member_store, store, token_store
from ferrata.access.errors import EmailTaken, LastAdministrator, LastOwner
from ferrata.access.passwords import Passwords, check_strength
from ferrata.access.rank import check_may_treat
from ferrata.access.schemas import Person, Principal, Purpose, Role
from ferrata.access.token_ending import end_or_keep
from ferrata.access.token_standing import beyond_standing
from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.kit.names import is_name

# Whether an address can be signed in with, not whether it receives mail: nothing is sent to it.
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,64}@[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}\Z")


def normal_email(email: str) -> str:
    return email.strip().lower()


def check_email(email: str) -> str:
    """The address as it is kept. Raises Rejected."""
    email = normal_email(email)
    if faults := email_faults(email):
        raise Rejected(problems=faults)
    return email


def email_faults(email: str) -> tuple[Problem, ...]:
    return () if _EMAIL.match(email) and len(email) <= 320 else (Problem("email", "email must be a valid email"),)


class People:
    def __init__(self, database: Database, clock: Clock, audit: Audit, passwords: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._passwords = passwords

    async def create(self, email: str, name: str, password: str, role: Role, *, actor: Actor) -> Person:
        """Add a person who may sign in from now on.

        Raises:
            Rejected: the address, the name or the password cannot be taken.
            EmailTaken: somebody has this address.
        """
        person, password_hash = await self.prepared(email, name, password, role)
        try:
            await self._database.write(lambda connection: self.add(connection, person, password_hash, actor))
        except IntegrityError as error:
            raise EmailTaken from error
        return person

    async def prepared(self, email: str, name: str, password: str, role: Role) -> tuple[Person, str]:
        """A checked person who is not kept yet, and the hash of the password: hashing takes too long for a transaction."""
        email = check_email(email)
        name = name.strip() or email.partition("@")[0]
        if not is_name(name):
            raise Rejected(problems=(Problem("name", "name must have 1 to 120 characters in one line"),))
        check_strength(password, email)
        now = self._clock.now()
        person = Person(new_id(now), email, name, role, now, None)
        return person, await self._passwords.hash(password)

    def add(self, connection: Connection, person: Person, password_hash: str, actor: Actor) -> None:
        store.add_person(connection, person, password_hash)
        after = {"email": person.email, "role": person.role}
        self._audit.record(connection, actor, "access.person_created", f"person/{person.id}", after=after)

    async def all(self) -> list[Person]:
        return await self._database.read(store.all_people)

    async def count(self) -> int:
        return await self._database.read(store.count_people)

    async def by_email(self, email: str) -> Person:
        """Raises NotFound."""
        found = await self._database.read(lambda connection: store.find_person(connection, normal_email(email)))
        if found is None:
            raise NotFound("Nobody has this e-mail address here.")
        return found[0]

    async def find(self, who: str) -> Person | None:
        """By e-mail address or id."""

        def work(connection: Connection) -> Person | None:
            found = store.find_person(connection, normal_email(who))
            return found[0] if found else store.person_by_id(connection, who)

        return await self._database.read(work)

    async def by_id(self, person_id: str) -> Person:
        """Raises NotFound."""
        found = await self._database.read(lambda connection: store.person_by_id(connection, person_id))
        if found is None:
            raise NotFound("There is no such person.")
        return found

    async def set_password(self, person: Person, password: str, *, actor: Actor) -> None:
        """Replace the password, sign the person out everywhere, and forget the browsers that were known.

        Raises:
            WeakPassword: this one cannot be taken.
        """
        check_strength(password, person.email)
        password_hash = await self._passwords.hash(password)

        def work(connection: Connection) -> None:
            store.set_password(connection, person.id, password_hash)
            self._end_everything(connection, person)
            self._audit.record(connection, actor, "access.password_changed", f"person/{person.id}")

        await self._database.write(work)

    async def set_role(self, person_id: str, role: Role, *, by: Principal) -> None:
        """Give a person another role; they sign in again.

        Tokens that they made and that may do more than they may now are revoked, and their open invitations withdrawn.

        Raises:
            NotFound: nobody has this id.
            AboveYourself: the role that they have or get may do more than ``by``.
            LastAdministrator: nobody could manage Ferrata any more.
        """
        now = self._clock.now()

        def work(connection: Connection) -> None:
            person = self._changeable(connection, person_id, by, stays=role is Role.ADMINISTRATOR)
            check_may_treat(by, role, "The role")
            store.set_role(connection, person.id, role)
            store.end_sessions_of(connection, person.id)
            link_store.withdraw_made_by(connection, person.id, None, now)
            made = token_store.good_made_by(connection, person.id, None)
            beyond = beyond_standing(connection, made)
            before, after = {"role": person.role}, {"role": role} | end_or_keep(connection, beyond, by.actor, now, keep=False)
            self._audit.record(connection, by.actor, "access.role_changed", f"person/{person.id}", before=before, after=after)

        await self._database.write(work)

    async def remove(self, person_id: str, *, by: Principal, keep_tokens: bool = False) -> None:
        """Remove a person: their sessions end, their invitations are withdrawn, their tokens revoked, or ``by``'s from now on.

        Raises:
            NotFound: nobody has this id.
            AboveYourself: they may do more than ``by``.
            LastAdministrator: nobody could manage Ferrata any more.
            LastOwner: a store would have no owner any more.
        """
        now = self._clock.now()

        def work(connection: Connection) -> None:
            person = self._changeable(connection, person_id, by, stays=False)
            if alone := member_store.stores_with_only_owner(connection, person_id):
                raise LastOwner(f"They are the last owner of {', '.join(alone)}. Make somebody else an owner there first.")
            self._end_everything(connection, person)
            link_store.withdraw_made_by(connection, person_id, None, now)
            link_store.withdraw_for(connection, person.email, Purpose.RESET, now)
            made = token_store.good_made_by(connection, person_id, None)
            after = end_or_keep(connection, made, by.actor, now, keep=keep_tokens)
            store.remove_person(connection, person.id)
            before = {"email": person.email, "role": person.role}
            self._audit.record(connection, by.actor, "access.person_removed", f"person/{person.id}", before=before, after=after)

        await self._database.write(work)

    def _changeable(self, connection: Connection, person_id: str, by: Principal, *, stays: bool) -> Person:
        store.lock_administrators(connection)
        person = store.person_by_id(connection, person_id)
        if person is None:
            raise NotFound("There is no such person.")
        check_may_treat(by, person.role, f"{person.name}, as")
        if person.role is Role.ADMINISTRATOR and not stays and store.count_people(connection, Role.ADMINISTRATOR) == 1:
            raise LastAdministrator
        return person

    def _end_everything(self, connection: Connection, person: Person) -> None:
        store.end_sessions_of(connection, person.id)
        store.forget_browsers_of(connection, person.id)
