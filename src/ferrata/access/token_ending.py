"""What ends with a token: the tokens, invitations and links to new passwords that were made with it, at any remove."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from ferrata.access import link_store
from ferrata.access import token_store as store
from ferrata.access.schemas import MadeWith, Purpose, Token
from ferrata.access.token_standing import person_behind, standing
from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit

_WITHDRAWN = {Purpose.INVITATION: "access.invitation_withdrawn", Purpose.RESET: "access.password_reset_withdrawn"}


def made_with(connection: Connection, token_id: str, now: datetime) -> MadeWith:
    """What of it is good still."""
    made = [token for token in store.good_made_with(connection, token_id) if token.is_good(now)]
    links = link_store.open_made_with(connection, [token_id, *(token.id for token in made)], now)
    return MadeWith(tuple(token.name for token in made), tuple(link.email for link in links))


def end_made_with(connection: Connection, audit: Audit, actor: Actor, token: Token, now: datetime) -> None:
    ended = [token.id]
    while made := store.good_made_with(connection, token.id):  # again: until it is revoked, each may still make others
        for each in made:
            store.revoke(connection, each.id, now)
            note_revoked(connection, audit, actor, each, because=token)
            ended.append(each.id)
    for link in link_store.open_made_with(connection, ended, now):
        link_store.withdraw(connection, link.id, now)
        before, after = {"email": link.email}, {"made_with": token.hint}
        target = f"invitation/{link.id}"
        audit.record(connection, actor, _WITHDRAWN[link.purpose], target, store_id=link.store_id, before=before, after=after)


def keep_made_with(connection: Connection, token: Token, actor: Actor, now: datetime) -> None:
    """It goes on without the token; open links count as made by ``actor``."""
    store.hand_over_made_with(connection, token.id, None)
    links = [link.id for link in link_store.open_made_with(connection, [token.id], now)]
    link_store.hand_over(connection, links, actor.id, actor.name)


def end_or_keep(connection: Connection, tokens: Sequence[Token], actor: Actor, now: datetime, *, keep: bool) -> dict[str, object]:
    """Tokens of somebody who may no longer have made them. Kept, they are whose who keeps them, and may do no more than they.

    A token keeps only what it could have made itself. Returns what the audit tells of it.
    """
    keeper = store.by_id(connection, actor.id) if actor.kind == "token" else None
    within = standing(connection, keeper).rights if keeper else None
    kept: list[Token] = []
    ended: list[Token] = []
    for token in tokens:
        may_keep = keeper is None or within is None or (token.rights <= within and not token.outlives(keeper))
        (kept if keep and may_keep else ended).append(token)
    if kept:
        person = person_behind(connection, actor)
        store.keep_made_by(connection, [token.id for token in kept], person, keeper.id if keeper else None)
    for token in ended:
        store.revoke(connection, token.id, now)
    told = {"kept_tokens": kept, "revoked_tokens": ended}
    return {name: [token.name for token in found] for name, found in told.items() if found}


def note_revoked(connection: Connection, audit: Audit, actor: Actor, token: Token, because: Token | None = None) -> None:
    before = {"name": token.name, "hint": token.hint}
    after = {"made_with": because.hint} if because else None
    target = f"token/{token.id}"
    audit.record(connection, actor, "access.key_revoked", target, store_id=token.store_id, before=before, after=after)
