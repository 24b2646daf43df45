"""What a token may do at this moment: what it was made for, as far as whoever made it may do that there now.

This is the one place where it is decided, each time that a token is used; nothing needs to be changed in tokens when a role is.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from ferrata.access import member_store, store, token_store
from ferrata.access.rank import reach
from ferrata.access.schemas import HIGHEST_LEVEL, Person, Right, Standing, StoreRole, Token
from ferrata.audit.schemas import Actor

TOKEN_LEVEL = 80
"""As an admin's: a token that may manage members makes no owners, unless it may manage the whole installation."""


def standing(connection: Connection, token: Token) -> Standing:
    return standings(connection, [token])[0]


def standings(connection: Connection, tokens: Sequence[Token]) -> list[Standing]:
    """In the order of the tokens; each person is looked up once."""
    ids = {token.made_by for token in tokens if token.made_by}
    people = {each: (store.person_by_id(connection, each), member_store.seats_of(connection, each)) for each in ids}
    return [_bounded(token, *people[token.made_by]) if token.made_by else _unbounded(token) for token in tokens]


def beyond_standing(connection: Connection, tokens: Sequence[Token]) -> list[Token]:
    """Those that were made for more than they may do now."""
    pairs = zip(tokens, standings(connection, tokens), strict=True)
    return [token for token, held in pairs if not token.rights <= held.rights]


def _unbounded(token: Token) -> Standing:
    return Standing(token.rights, HIGHEST_LEVEL if Right.ACCESS_MANAGE in token.rights else TOKEN_LEVEL)


def _bounded(token: Token, person: Person | None, seats: dict[str, StoreRole]) -> Standing:
    if person is None:
        return Standing(frozenset(), 0, "somebody who is gone")
    seat = seats.get(token.store_id) if token.store_id else None
    rights, level = reach(person.role, seat, everywhere=token.store_id is None)
    held = token.rights & rights
    most = HIGHEST_LEVEL if Right.ACCESS_MANAGE in held else TOKEN_LEVEL
    return Standing(held, min(level, most), person.name)


def person_behind(connection: Connection, actor: Actor) -> str | None:
    """Who may know what this actor was given: a person, also one who made it with a token of theirs."""
    if actor.kind == "token":
        token = token_store.by_id(connection, actor.id)
        return token.made_by if token else None
    return actor.id if actor.kind == "person" else None
