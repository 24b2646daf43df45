"""Who is what in a store: listed, changed, removed. Joining is by invitation, see ``invitations.py``."""

from collections.abc import Mapping

from sqlalchemy import Connection

from ferrata.access import link_store, member_store, store, token_store
from ferrata.access.errors import AlreadyMember, LastOwner
from ferrata.access.rank import check_may_change, check_may_give
from ferrata.access.roles import EVERYWHERE, OWNER
from ferrata.access.schemas import Member, Person, Principal, StoreRole
from ferrata.access.token_ending import end_or_keep
from ferrata.access.token_standing import beyond_standing
from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.kit.clock import Clock


class Members:
    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    async def all(self, store_id: str) -> list[Member]:
        """In the order in which they joined."""
        return await self._database.read(lambda connection: member_store.members_of(connection, store_id))

    async def one(self, store_id: str, person_id: str) -> Member:
        """Raises NotFound."""
        found = await self._database.read(lambda connection: member_store.member(connection, store_id, person_id))
        if found is None:
            raise NotFound("There is no such member of this store.")
        return found

    async def seats_of(self, person_id: str) -> Mapping[str, StoreRole]:
        """What somebody is, by store."""
        return await self._database.read(lambda connection: member_store.seats_of(connection, person_id))

    async def tokens_made_by(self, store_id: str | None, person_id: str) -> list[str]:
        """The names of the tokens not revoked that they have made, here or at all: whoever made one may have kept its secret."""
        made = await self._database.read(lambda connection: token_store.good_made_by(connection, person_id, store_id))
        return [token.name for token in made]

    async def add(self, store_id: str, person: Person, role_name: str, *, by: Principal) -> None:
        """Make somebody who is here already a member, without an invitation: for commands at the server.

        Raises:
            Rejected: there is no such role.
            AlreadyMember: of this store.
            AboveYourself: the role stands higher than the giver.
        """

        def work(connection: Connection) -> None:
            role = known_role(connection, store_id, role_name)
            check_may_give(by, role)
            self.join(connection, store_id, person, role, by.actor)

        await self._database.write(work)

    def join(self, connection: Connection, store_id: str, person: Person, role: StoreRole, by: Actor) -> None:
        """Within a transaction; whether ``by`` may give this role is decided before."""
        if member_store.member(connection, store_id, person.id) is not None:
            raise AlreadyMember
        member_store.add_member(connection, store_id, person.id, role.name, self._clock.now())
        after = {"email": person.email, "role": role.name}
        self._audit.record(connection, by, "access.member_added", f"person/{person.id}", store_id=store_id, after=after)

    async def change_role(
        self, store_id: str, person_id: str, role_name: str, *, by: Principal, keep_tokens: bool = False
    ) -> Member:
        """Give a member another role; it holds from their next request on.

        Tokens that they made here for more than they may now are revoked, or kept as ``by``'s; their open invitations end.

        Raises:
            NotFound: there is no such member.
            Rejected: there is no such role.
            AboveYourself: the member or the new role stands higher than the giver.
            LastOwner: nobody would own the store any more.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Member:
            member = self._changeable(connection, store_id, person_id, by, stays_owner=role_name == OWNER.name)
            role = known_role(connection, store_id, role_name)
            check_may_give(by, role)
            member_store.set_member_role(connection, store_id, person_id, role.name)
            link_store.withdraw_made_by(connection, person_id, store_id, now)
            made = token_store.good_made_by(connection, person_id, store_id)
            beyond = beyond_standing(connection, made)
            after = {"role": role.name} | end_or_keep(connection, beyond, by.actor, now, keep=keep_tokens)
            before = {"email": member.email, "role": member.role}
            target = f"person/{person_id}"
            self._audit.record(
                connection, by.actor, "access.member_changed", target, store_id=store_id, before=before, after=after
            )
            return member

        await self._database.write(work)
        return await self.one(store_id, person_id)

    async def remove(self, store_id: str, person_id: str, *, by: Principal, keep_tokens: bool = False) -> Member:
        """Remove a member, withdraw their open invitations, and revoke the tokens that they made here, or keep them as ``by``'s.

        Their sessions are refused in this store with their next request; their tokens within 2 s, in every process.

        Raises:
            NotFound: there is no such member.
            AboveYourself: the member stands higher.
            LastOwner: nobody would own the store any more.
        """
        now = self._clock.now()

        def work(connection: Connection) -> Member:
            member = self._changeable(connection, store_id, person_id, by, stays_owner=False)
            member_store.remove_member(connection, store_id, person_id)
            link_store.withdraw_made_by(connection, person_id, store_id, now)
            made = token_store.good_made_by(connection, person_id, store_id)
            after = end_or_keep(connection, made, by.actor, now, keep=keep_tokens)
            before = {"email": member.email, "role": member.role}
            target = f"person/{person_id}"
            self._audit.record(
                connection, by.actor, "access.member_removed", target, store_id=store_id, before=before, after=after
            )
            return member

        return await self._database.write(work)

    def _changeable(self, connection: Connection, store_id: str, person_id: str, by: Principal, *, stays_owner: bool) -> Member:
        member_store.lock_members(connection, store_id)
        member = member_store.member(connection, store_id, person_id)
        if member is None:
            raise NotFound("There is no such member of this store.")
        check_may_change(by, member_store.seats_of(connection, person_id).get(store_id) or EVERYWHERE["viewer"], member.name)
        if not stays_owner and member_store.owners_of(connection, store_id) == {person_id}:
            raise LastOwner
        return member


def known_role(connection: Connection, store_id: str, name: str) -> StoreRole:
    """Raises Rejected, which names the roles that there are."""
    role = member_store.role_named(connection, store_id, name.strip().lower())
    if role is None:
        names = [*EVERYWHERE, *(own.name for own in member_store.roles_of(connection, store_id))]
        raise Rejected(problems=(Problem("role", f"role must be one of {', '.join(names)}"),))
    return role


def person_of(connection: Connection, email: str) -> Person | None:
    found = store.find_person(connection, email)
    return found[0] if found else None
