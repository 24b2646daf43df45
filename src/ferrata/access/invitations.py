"""Invitations: a link that one person may use once, to join a store or the installation with the role that it names."""

from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ferrata.access import link_store, member_store, store
from ferrata.access.errors import AlreadyMember, EmailTaken, ForSomebodyElse, LinkUnknown
from ferrata.access.inviters import inviter_of, still_counts
from ferrata.access.links import MadeLink, invitation
from ferrata.access.members import Members, known_role, person_of
from ferrata.access.people import People, email_faults, normal_email
from ferrata.access.rank import check_may_give
from ferrata.access.schemas import HIGHEST_LEVEL, Link, Person, Principal, Purpose, Role, StoreRole
from ferrata.access.tokens import good_maker
from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.infra.crypto import digest
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.kit.clock import Clock


class Invitations:
    def __init__(self, database: Database, clock: Clock, audit: Audit, people: People, members: Members) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._people = people
        self._members = members

    async def invite(self, store_id: str | None, email: str, role_name: str, *, by: Principal) -> MadeLink:
        """Invite somebody to a store, or with ``store_id`` None to the whole installation. The secret is in the answer alone.

        An earlier invitation of the same person to the same place is withdrawn by this one.

        Raises:
            Rejected: the address or the role cannot be taken; both are told at once.
            AboveYourself: the role stands higher than the giver.
            AlreadyMember, EmailTaken: they are here already.
        """
        email, now = normal_email(email), self._clock.now()

        def work(connection: Connection) -> MadeLink:
            maker = good_maker(connection, by.actor, now)
            role = _role_to_give(connection, store_id, role_name, by=by, faults=email_faults(email))
            _refuse_if_here(connection, store_id, email)
            made = invitation(email, store_id, role.name, by.actor, now, until=maker.expires_at if maker else None)
            link_store.withdraw_older(connection, made.link)
            link_store.add(connection, made.link, digest(made.secret))
            after = {"email": email, "role": role.name, "expires_at": made.link.expires_at}
            self._record(connection, by.actor, "access.person_invited", made.link, after)
            return made

        return await self._database.write(work)

    async def all(self, store_id: str | None) -> list[Link]:
        """Newest first: open ones, and what became of the others."""
        return await self._database.read(lambda connection: link_store.invitations_of(connection, store_id))

    async def withdraw(self, store_id: str | None, link_id: str, *, by: Principal) -> Link:
        """Raises NotFound: there is no such invitation to this store, or it is not open any more."""
        now = self._clock.now()

        def work(connection: Connection) -> Link:
            link = link_store.by_id(connection, link_id)
            fits = link and link.purpose is Purpose.INVITATION and link.store_id == store_id
            if link is None or not fits or not link_store.withdraw(connection, link_id, now):
                raise NotFound("There is no such open invitation.")
            self._record(connection, by.actor, "access.invitation_withdrawn", link, {"email": link.email})
            return link

        return await self._database.write(work)

    async def look(self, secret: str) -> tuple[Link, bool]:
        """The invitation behind a link, and whether somebody with its address is here already. Looking uses nothing up.

        Raises:
            LinkUnknown: it was never made, used, withdrawn, has expired, or its maker may not invite so any more: told alike.
        """
        now = self._clock.now()

        def work(connection: Connection) -> tuple[Link, bool]:
            link = _open_link(connection, secret, now)
            return link, person_of(connection, link.email) is not None

        return await self._database.read(work)

    async def accept_as(self, secret: str, who: Principal) -> Link:
        """Join with the account that one is signed in with.

        Raises:
            LinkUnknown: as ``look``.
            ForSomebodyElse: the invitation is for another address.
            AlreadyMember: one is.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Link:
            link = _open_link(connection, secret, now)
            found = person_of(connection, link.email)
            if found is None or who.kind != "person" or found.id != who.id:
                raise ForSomebodyElse
            self._join(connection, link, found, now)
            return link

        return await self._database.write(work)

    async def accept_new(self, secret: str, name: str, password: str) -> Person:
        """Join as somebody who was not here before.

        Raises:
            LinkUnknown: as ``look``.
            EmailTaken: they are here already, and have to sign in.
            Rejected: the name or the password cannot be taken; the link stays good.
        """
        link, _ = await self.look(secret)
        installation_role = Role.MEMBER if link.store_id else Role(link.role)
        person, password_hash = await self._people.prepared(link.email, name, password, installation_role)
        now = self._clock.now()

        def work(connection: Connection) -> None:
            again = _open_link(connection, secret, now)
            self._people.add(connection, person, password_hash, _actor(connection, again, now))
            self._join(connection, again, person, now)

        try:
            await self._database.write(work)
        except IntegrityError as error:
            raise EmailTaken from error
        return person

    def _join(self, connection: Connection, link: Link, person: Person, now: datetime) -> None:
        if not link_store.use(connection, link.id, now):
            raise LinkUnknown
        if link.store_id is not None:
            role = known_role(connection, link.store_id, link.role)
            self._members.join(connection, link.store_id, person, role, _actor(connection, link, now))
        self._record(connection, Actor("person", person.id, person.name), "access.invitation_accepted", link, None)

    def _record(self, connection: Connection, actor: Actor, action: str, link: Link, after: dict[str, object] | None) -> None:
        self._audit.record(connection, actor, action, f"invitation/{link.id}", store_id=link.store_id, after=after)


def _actor(connection: Connection, link: Link, now: datetime) -> Actor:
    found = inviter_of(connection, link, now)
    return found.actor if found else Actor("person", link.made_by, link.made_by_name)


def _open_link(connection: Connection, secret: str, now: datetime) -> Link:
    link = link_store.find(connection, digest(secret), Purpose.INVITATION)
    if link is None or not link.is_open(now):
        raise LinkUnknown
    role = member_store.role_named(connection, link.store_id, link.role) if link.store_id else _installation_role(link.role)
    if role is None or not still_counts(connection, link, role, now):
        raise LinkUnknown
    return link


def _role_to_give(
    connection: Connection, store_id: str | None, name: str, *, by: Principal, faults: tuple[Problem, ...]
) -> StoreRole:
    """The role, if nothing else is wrong. Raises AboveYourself; Rejected, with ``faults`` beside what is wrong with it."""
    try:
        role = _role(connection, store_id, name)
    except Rejected as fault:
        raise Rejected(problems=(*faults, *fault.problems)) from fault
    check_may_give(by, role)
    if faults:
        raise Rejected(problems=faults)
    return role


def _role(connection: Connection, store_id: str | None, name: str) -> StoreRole:
    if store_id is not None:
        return known_role(connection, store_id, name)
    if name not in set(Role):
        raise Rejected(problems=(Problem("role", f"role must be one of {', '.join(Role)}"),))
    return _installation_role(name)


def _installation_role(name: str) -> StoreRole:
    role = Role(name)
    return StoreRole(role, HIGHEST_LEVEL if role is Role.ADMINISTRATOR else 0, role.rights)


def _refuse_if_here(connection: Connection, store_id: str | None, email: str) -> None:
    found = store.find_person(connection, normal_email(email))
    if found is None:
        return
    if store_id is None:
        raise EmailTaken
    if member_store.member(connection, store_id, found[0].id) is not None:
        raise AlreadyMember
