"""Settings, Tokens: made and shown once, listed by their first characters, given a new secret, revoked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, note_refusal, store_of
from ferrata.access.rank import check_may_scope
from ferrata.access.revealed import Revealed
from ferrata.access.schemas import (
    ALL_RIGHTS,
    STORE_RIGHTS,
    STORE_TOKEN,
    CreatedToken,
    Principal,
    Right,
    Standing,
    Token,
    rights_of,
)
from ferrata.access.service import Access
from ferrata.access.token_api import one_of_theirs
from ferrata.infra.errors import FerrataError, Problem, Rejected
from ferrata.kit.clock import Clock
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

TOKENS = "/ui/settings/tokens"
MOST_DAYS = 9_999
KEPT_HOURS = {"0": "At once", "24": "After a day", "168": "After a week"}
_READ = frozenset(right for right in STORE_TOKEN if right.endswith(":read"))
PURPOSES: Mapping[str, frozenset[Right]] = MappingProxyType({"store": STORE_TOKEN, "read": _READ, "all": ALL_RIGHTS})
PURPOSE_WORDS = (
    ("store", "Send and manage events of this store"),
    ("read", "Read this store only"),
    ("chosen", "What is ticked below, in this store"),
)
FOR_EVERY_STORE = ("all", "Everything, in every store")
_Managing = Annotated[Principal, Depends(needs(Right.TOKENS_MANAGE))]
_Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class _TokenRow:
    """``held``: what it may do now. ``maker``: who or what it was made by. ``has_made``: what it made is good still."""

    token: Token
    state: str  # good, expired, revoked
    held: Standing
    maker: str
    has_made: bool


@dataclass(frozen=True, slots=True)
class _Entered:
    name: str = ""
    purpose: str = "store"
    days: str = ""
    rights: frozenset[Right] = frozenset()


def router(pages: Pages, access: Access, clock: Clock, revealed: Revealed) -> APIRouter:
    routes = page_routes()

    async def tokens_page(
        request: Request,
        who: Principal,
        status_code: int = 200,
        entered: _Entered = _Entered(),
        faults: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        store_id = await store_of(request)
        mine = (store_id,) if who.store_id else (None, store_id)  # those for every store are an administrator's
        found = [pair for pair in await access.tokens.with_standing() if pair[0].store_id in mine]
        values = {
            "rows": _rows(found, clock),
            "created": revealed.read(request, who),
            "entered": entered,
            "faults": faults,
            "purposes": (*PURPOSE_WORDS, *([FOR_EVERY_STORE] if who.may(Right.ACCESS_MANAGE) else [])),
            "choosable": sorted(STORE_RIGHTS & who.rights),
        }
        page = pages.page(request, "access/tokens.html", status_code=status_code, **values)
        return revealed.forget(request, page)

    def shown_next(who: Principal, created: CreatedToken) -> Response:
        return revealed.redirect(TOKENS, who, {"name": created.token.name, "secret": created.secret, "hint": created.token.hint})

    @routes.get(TOKENS)
    async def list_tokens(request: Request, who: _Managing) -> Response:
        return await tokens_page(request, who)

    @routes.post(TOKENS)
    async def create_token(
        request: Request,
        who: _Managing,
        *,
        name: _Text = "",
        purpose: _Text = "store",
        days: _Text = "",
        right: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI makes its own
    ) -> Response:
        entered = _Entered(name, purpose, days, rights_of(right))
        try:
            rights = entered.rights if purpose == "chosen" else PURPOSES.get(purpose, frozenset())
            rights = rights if purpose == "all" else rights & who.rights
            store_id = None if purpose == "all" else await store_of(request)
            check_may_scope(who, store_id, rights)
            created = await access.tokens.create(
                name, actor=who.actor, store_id=store_id, rights=rights, expires_at=_end(days, clock)
            )
        except Rejected as error:
            note_refusal(request, error)
            return await tokens_page(request, who, error.status, entered, _faults(error))
        return shown_next(who, created)

    @routes.get(TOKENS + "/{token_id}/revoke")
    async def ask_to_revoke(request: Request, token_id: str, who: _Managing) -> Response:
        token = await one_of_theirs(access, who, token_id)
        made = await access.tokens.made_with(token.id)
        return pages.page(request, "access/revoke.html", token=token, state=_state(token, clock), made=made, back=TOKENS)

    @routes.post(TOKENS + "/{token_id}/revoke")
    async def revoke_token(token_id: str, who: _Managing, keep_made: Annotated[bool, Form()] = False) -> Response:
        token = await one_of_theirs(access, who, token_id)
        made = await access.tokens.made_with(token.id)
        await access.tokens.revoke(token.id, actor=who.actor, keep_made=keep_made)
        beside = ", and what was made with it has ended" if made and not keep_made else ""
        return redirect_saying(TOKENS, Flash(f"The token “{token.name}” is revoked{beside}."))

    @routes.get(TOKENS + "/{token_id}/rotate")
    async def ask_to_rotate(request: Request, token_id: str, who: _Managing) -> Response:
        token = await one_of_theirs(access, who, token_id)
        return pages.page(request, "access/rotate.html", token=token, back=TOKENS, hours=tuple(KEPT_HOURS.items()))

    @routes.post(TOKENS + "/{token_id}/rotate")
    async def rotate_token(token_id: str, who: _Managing, keep: _Text = "24") -> Response:
        token = await one_of_theirs(access, who, token_id)
        check_may_scope(who, token.store_id, token.rights)
        hours = int(keep) if keep in KEPT_HOURS else 24
        return shown_next(who, await access.tokens.rotate(token.id, actor=who.actor, keep_old_hours=hours))

    return routes


def _faults(error: FerrataError) -> dict[str, str]:
    return {problem.path: problem.message for problem in error.problems} or {"purpose": error.message}


def _end(days: str, clock: Clock) -> datetime | None:
    """When a token ends that is to live for as many days; never where nothing was entered."""
    text = days.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:5]) <= MOST_DAYS):
        fault = f"A whole number from 1 to {MOST_DAYS:,}, or nothing for a token that never expires. No token was made."
        raise Rejected(problems=(Problem("days", fault),))
    return clock.now() + timedelta(days=int(text))


def _rows(found: list[tuple[Token, Standing]], clock: Clock) -> list[_TokenRow]:
    names = {token.id: token.name for token, _ in found}
    makers = {token.made_with for token, _ in found if token.is_good(clock.now())}
    return [_TokenRow(token, _state(token, clock), held, _maker(token, held, names), token.id in makers) for token, held in found]


def _maker(token: Token, held: Standing, names: Mapping[str, str]) -> str:
    by = held.maker or "a command"
    return f"{by}, with “{names.get(token.made_with, 'another token')}”" if token.made_with else by


def _state(token: Token, clock: Clock) -> str:
    if token.revoked_at:
        return "revoked"
    return "expired" if token.expires_at and token.expires_at <= clock.now() else "good"
