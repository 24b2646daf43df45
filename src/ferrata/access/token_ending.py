"""What ends with a token: the tokens, invitations and links to new passwords that were made with it, at any remove."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from ferrata.access import link_store
from ferrata.access import token_store as store
from ferrata.access.schemas import MadeWith, Purpose, Token
from ferrata.access.token_standing import person_behind
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

    Returns what the audit tells of it.
    """
    if not tokens:
        return {}
    if keep:
        store.keep_made_by(connection, [token.id for token in tokens], person_behind(connection, actor))
        return {"kept_tokens": [token.name for token in tokens]}
    for token in tokens:
        store.revoke(connection, token.id, now)
    return {"revoked_tokens": [token.name for token in tokens]}


def note_revoked(connection: Connection, audit: Audit, actor: Actor, token: Token, because: Token | None = None) -> None:
    before = {"name": token.name, "hint": token.hint}
    after = {"made_with": because.hint} if because else None
    target = f"token/{token.id}"
    audit.record(connection, actor, "access.key_revoked", target, store_id=token.store_id, before=before, after=after)
