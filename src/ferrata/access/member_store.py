"""All SQL of members and of the roles that stores make for themselves."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ferrata.access.models import members, people, store_roles
from ferrata.access.roles import EVERYWHERE, OWNER
from ferrata.access.schemas import Member, StoreRole, rights_of


def seats_of(connection: Connection, person_id: str) -> dict[str, StoreRole]:
    """By store, what this person is there. A role that is not there any more is none."""
    query = (
        select(members.c.store_id, members.c.role, store_roles.c.id, store_roles.c.level, store_roles.c.rights)
        .outerjoin(store_roles, (store_roles.c.store_id == members.c.store_id) & (store_roles.c.name == members.c.role))
        .where(members.c.person_id == person_id)
    )
    found: dict[str, StoreRole] = {}
    for row in connection.execute(query):
        if row.role in EVERYWHERE:
            found[row.store_id] = EVERYWHERE[row.role]
        elif row.id is not None:
            found[row.store_id] = StoreRole(row.role, row.level, rights_of(row.rights.split()), row.store_id, row.id)
    return found


def members_of(connection: Connection, store_id: str) -> list[Member]:
    query = (
        select(members, people.c.email, people.c.name, people.c.signed_in_at)
        .join(people, people.c.id == members.c.person_id)
        .where(members.c.store_id == store_id)
        .order_by(members.c.created_at, members.c.person_id)
    )
    return [_member(row) for row in connection.execute(query)]


def member(connection: Connection, store_id: str, person_id: str) -> Member | None:
    return next((found for found in members_of(connection, store_id) if found.person_id == person_id), None)


def add_member(connection: Connection, store_id: str, person_id: str, role: str, at: datetime) -> None:
    connection.execute(insert(members).values(store_id=store_id, person_id=person_id, role=role, created_at=at))


def set_member_role(connection: Connection, store_id: str, person_id: str, role: str) -> None:
    change = update(members).where(members.c.store_id == store_id, members.c.person_id == person_id)
    connection.execute(change.values(role=role))


def remove_member(connection: Connection, store_id: str, person_id: str) -> None:
    connection.execute(delete(members).where(members.c.store_id == store_id, members.c.person_id == person_id))


def lock_members(connection: Connection, store_id: str) -> None:
    """Until the end of the transaction nobody else changes who is what in this store."""
    query = select(members.c.person_id).where(members.c.store_id == store_id).order_by(members.c.person_id)
    connection.execute(query.with_for_update()).all()


def owners_of(connection: Connection, store_id: str) -> set[str]:
    query = select(members.c.person_id).where(members.c.store_id == store_id, members.c.role == OWNER.name)
    return set(connection.execute(query).scalars())


def stores_with_only_owner(connection: Connection, person_id: str) -> list[str]:
    """The stores whose last owner this person is."""
    own = select(members.c.store_id).where(members.c.person_id == person_id, members.c.role == OWNER.name)
    query = (
        select(members.c.store_id)
        .where(members.c.role == OWNER.name, members.c.store_id.in_(own))
        .group_by(members.c.store_id)
        .having(func.count() == 1)
        .order_by(members.c.store_id)
    )
    return list(connection.execute(query).scalars())


def _member(row: Row[Any]) -> Member:
    return Member(row.person_id, row.store_id, row.email, row.name, row.role, row.created_at, row.signed_in_at)


# Roles of one store


def roles_of(connection: Connection, store_id: str) -> list[StoreRole]:
    query = select(store_roles).where(store_roles.c.store_id == store_id)
    return [_role(row) for row in connection.execute(query.order_by(store_roles.c.level.desc(), store_roles.c.name))]


def role_named(connection: Connection, store_id: str, name: str) -> StoreRole | None:
    if name in EVERYWHERE:
        return EVERYWHERE[name]
    query = select(store_roles).where(store_roles.c.store_id == store_id, store_roles.c.name == name)
    row = connection.execute(query).first()
    return _role(row) if row else None


def add_role(connection: Connection, role: StoreRole, at: datetime) -> None:
    values = {"id": role.id, "store_id": role.store_id, "name": role.name, "level": role.level, "created_at": at}
    connection.execute(insert(store_roles).values(**values, rights=" ".join(sorted(role.rights))))


def change_role(connection: Connection, role: StoreRole) -> None:
    change = update(store_roles).where(store_roles.c.id == role.id)
    connection.execute(change.values(level=role.level, rights=" ".join(sorted(role.rights))))


def remove_role(connection: Connection, role_id: str) -> None:
    connection.execute(delete(store_roles).where(store_roles.c.id == role_id))


def count_with_role(connection: Connection, store_id: str, name: str) -> int:
    query = select(func.count()).select_from(members).where(members.c.store_id == store_id, members.c.role == name)
    return connection.execute(query).scalar_one()


def _role(row: Row[Any]) -> StoreRole:
    return StoreRole(row.name, row.level, rights_of(row.rights.split()), row.store_id, row.id)
