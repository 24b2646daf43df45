"""Nobody makes of anybody, themselves included, more than they are themselves. Pure."""

from ferrata.access.errors import AboveYourself
from ferrata.access.schemas import HIGHEST_LEVEL, Principal, Right, Role, StoreRole


def check_may_give(giver: Principal, role: StoreRole) -> None:
    """Raises AboveYourself: the role stands higher than the giver, or holds a right that the giver lacks."""
    if role.level > giver.level:
        raise AboveYourself(f"The role {role.name!r} has the level {role.level}, and yours is {giver.level}.")
    if lacking := sorted(role.effective - giver.rights):
        raise AboveYourself(f"The role {role.name!r} may do what you may not: {', '.join(lacking)}.")


def check_may_change(changer: Principal, role: StoreRole, name: str) -> None:
    """Raises AboveYourself: whoever has this role stands higher than the one who wants to change that."""
    if role.level > changer.level:
        raise AboveYourself(f"{name} is {role.name}, level {role.level}; yours is {changer.level}.")


def check_may_treat(changer: Principal, role: Role, name: str) -> None:
    """Raises AboveYourself: in the whole installation this role may do what the changer may not, as a narrow token."""
    if lacking := sorted(role.rights - changer.rights):
        raise AboveYourself(f"{name} {role} may do what you may not: {', '.join(lacking)}.")


def check_may_scope(maker: Principal, store_id: str | None, rights: frozenset[Right]) -> None:
    """Raises AboveYourself: a token of these rights could do, there, what its maker may not."""
    if store_id is None and (maker.store_id is not None or not maker.may(Right.ACCESS_MANAGE)):
        raise AboveYourself(f"A token for every store needs the right {Right.ACCESS_MANAGE}. Make one for this store.")
    if lacking := sorted(rights - maker.rights):
        raise AboveYourself(f"A token may not have rights that its maker lacks: {', '.join(lacking)}.")


def reach(role: Role, seat: StoreRole | None, *, everywhere: bool) -> tuple[frozenset[Right], int]:
    """The rights and the level that somebody can hand to a token: for every store, or for the one in which this is their seat."""
    level = HIGHEST_LEVEL if role is Role.ADMINISTRATOR else 0
    if everywhere:
        return (role.rights if Right.ACCESS_MANAGE in role.rights else frozenset(), level)
    return (role.rights | seat.effective, max(level, seat.level)) if seat else (role.rights, level)
