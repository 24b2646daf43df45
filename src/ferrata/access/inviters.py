"""Whoever made an invitation, as they are now: it counts for as long as they could make it again."""

from datetime import datetime

from sqlalchemy import Connection

from ferrata.access import member_store, store, token_store
from ferrata.access.errors import AboveYourself
from ferrata.access.rank import check_may_give
from ferrata.access.schemas import AT_THE_SERVER, HIGHEST_LEVEL, Link, Principal, Right, Role, StoreRole
from ferrata.access.token_standing import standing


def still_counts(connection: Connection, link: Link, role: StoreRole, now: datetime) -> bool:
    """Whether the one who made it may give this role there, as both are now."""
    inviter = inviter_of(connection, link, now)
    if inviter is None or not inviter.may(Right.MEMBERS_MANAGE if link.store_id else Right.ACCESS_MANAGE):
        return False
    try:
        check_may_give(inviter, role)
    except AboveYourself:
        return False
    return True


def inviter_of(connection: Connection, link: Link, now: datetime) -> Principal | None:
    """None: gone, or a token that is not good any more."""
    if link.made_by == AT_THE_SERVER.id:
        return AT_THE_SERVER
    if person := store.person_by_id(connection, link.made_by):
        seats = member_store.seats_of(connection, person.id)
        level = HIGHEST_LEVEL if person.role is Role.ADMINISTRATOR else 0
        found = Principal("person", person.id, person.name, None, person.role.rights, seats=seats, level=level)
        return found.within(link.store_id) if link.store_id else found
    token = token_store.by_id(connection, link.made_by)
    if token is None or not token.is_good(now) or token.store_id not in (None, link.store_id):
        return None
    held = standing(connection, token)
    return Principal("token", token.id, token.name, token.store_id, held.rights, level=held.level)
