"""Roles that a store makes for itself: a name, a level, and chosen rights. None exceeds its maker."""

import re
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ferrata.access import member_store
from ferrata.access.errors import RoleInUse, RoleTaken
from ferrata.access.rank import check_may_give
from ferrata.access.roles import EVERYWHERE
from ferrata.access.schemas import HIGHEST_LEVEL, STORE_RIGHTS, Principal, Right, StoreRole
from ferrata.audit.service import Audit
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id

DEFAULT_LEVEL = 50
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_]{0,38}[a-z0-9])?\Z")


class OwnRoles:
    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    async def all(self, store_id: str) -> list[StoreRole]:
        """Those that every store has, and then this store's own; the highest first."""
        own = await self._database.read(lambda connection: member_store.roles_of(connection, store_id))
        return [*EVERYWHERE.values(), *own]

    async def create(
        self, store_id: str, name: str, rights: frozenset[Right], level: int | None = None, *, by: Principal
    ) -> StoreRole:
        """Make a role.

        Raises:
            Rejected: the name, level or rights cannot be taken.
            RoleTaken: there is one of this name.
            AboveYourself: it would exceed its maker.
        """
        now = self._clock.now()
        role = StoreRole(name.strip(), DEFAULT_LEVEL if level is None else level, rights, store_id, new_id(now))
        _check(role)
        check_may_give(by, role)

        def work(connection: Connection) -> None:
            if member_store.role_named(connection, store_id, role.name) is not None:
                raise RoleTaken(f"There is a role {role.name!r} already.")
            member_store.add_role(connection, role, now)
            self._audit.record(connection, by.actor, "access.role_created", _target(role), store_id=store_id, after=_told(role))

        try:
            await self._database.write(work)
        except IntegrityError as error:  # two at once
            raise RoleTaken(f"There is a role {role.name!r} already.") from error
        return role

    async def change(
        self, store_id: str, name: str, *, rights: frozenset[Right] | None = None, level: int | None = None, by: Principal
    ) -> StoreRole:
        """Change what a role may do; it holds for its members from their next request on.

        Raises:
            NotFound: the store has made no such role.
            Rejected, AboveYourself: as ``create``; also where the role, as it is now, exceeds the one who changes it.
        """

        def work(connection: Connection) -> StoreRole:
            role = self._own(connection, store_id, name, by)
            changed = replace(
                role, level=role.level if level is None else level, rights=role.rights if rights is None else rights
            )
            _check(changed)
            check_may_give(by, changed)
            member_store.change_role(connection, changed)
            before, after = _told(role), _told(changed)
            self._audit.record(
                connection, by.actor, "access.role_changed", _target(role), store_id=store_id, before=before, after=after
            )
            return changed

        return await self._database.write(work)

    async def remove(self, store_id: str, name: str, *, by: Principal) -> None:
        """Remove a role that nobody has.

        Raises:
            NotFound: the store has made no such role.
            RoleInUse: somebody has it, or is invited with it.
            AboveYourself: it exceeds the one who removes it.
        """

        def work(connection: Connection) -> None:
            role = self._own(connection, store_id, name, by)
            if member_store.count_with_role(connection, store_id, name):
                raise RoleInUse
            member_store.remove_role(connection, role.id or "")
            self._audit.record(connection, by.actor, "access.role_removed", _target(role), store_id=store_id, before=_told(role))

        await self._database.write(work)

    def _own(self, connection: Connection, store_id: str, name: str, by: Principal) -> StoreRole:
        member_store.lock_members(connection, store_id)
        role = member_store.role_named(connection, store_id, name)
        if role is None or role.id is None:
            what = "is there in every store and cannot be changed" if name in EVERYWHERE else "is not one of this store's"
            raise NotFound(f"The role {name!r} {what}.")
        check_may_give(by, role)
        return role


def _check(role: StoreRole) -> None:
    problems = []
    if not _NAME.match(role.name):
        problems.append(Problem("name", "name must be 1 to 40 small letters, digits and underscores, such as key_keeper"))
    if not 0 < role.level < HIGHEST_LEVEL:
        problems.append(Problem("level", f"level must be a whole number from 1 to {HIGHEST_LEVEL - 1}"))
    if not role.rights:
        problems.append(Problem("rights", "rights must name at least one right"))
    if beyond := sorted(role.rights - STORE_RIGHTS):
        problems.append(Problem("rights", f"a role in a store cannot hold {', '.join(beyond)}: they concern every store"))
    if problems:
        raise Rejected(problems=tuple(problems))


def _target(role: StoreRole) -> str:
    return f"role/{role.id}"


def _told(role: StoreRole) -> dict[str, object]:
    return {"name": role.name, "level": role.level, "rights": sorted(role.rights)}
