"""Settings, Tokens: made and shown once, listed by their first characters, revoked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import ALL_RIGHTS, STORE_TOKEN, CreatedToken, Principal, Right, Token
from ferrata.access.service import Access
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.kit.clock import Clock
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages

TOKENS = "/ui/settings/tokens"
MOST_DAYS = 9_999
PURPOSES = {"store": STORE_TOKEN, "read": frozenset(right for right in STORE_TOKEN if right.endswith(":read")), "all": ALL_RIGHTS}
PURPOSE_WORDS = (
    ("store", "Send and manage events of this store"),
    ("read", "Read this store only"),
    ("all", "Everything, in every store"),
)
_Managing = Annotated[Principal, Depends(needs(Right.ACCESS_MANAGE))]


@dataclass(frozen=True, slots=True)
class _TokenRow:
    token: Token
    state: str  # good, expired, revoked


def router(pages: Pages, access: Access, clock: Clock) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    async def tokens_page(
        request: Request,
        status_code: int = 200,
        *,
        created: CreatedToken | None = None,
        name: str = "",
        faults: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        store_id = await store_of(request)
        seen = [token for token in await access.tokens.all() if token.store_id in (None, store_id)]
        rows = [_TokenRow(token, _state(token, clock)) for token in seen]
        values = {"rows": rows, "created": created, "name": name, "faults": faults, "purposes": PURPOSE_WORDS}
        return pages.page(request, "access/tokens.html", status_code=status_code, **values)

    @routes.get(TOKENS)
    async def list_tokens(request: Request, _who: _Managing) -> Response:
        return await tokens_page(request)

    @routes.post(TOKENS)
    async def create_token(
        request: Request,
        who: _Managing,
        name: Annotated[str, Form()] = "",
        purpose: Annotated[str, Form()] = "store",
        days: Annotated[str, Form()] = "",
    ) -> Response:
        """Answers with the page itself: the secret is on it and nowhere else."""
        try:
            created = await access.tokens.create(
                name,
                actor=who.actor,
                store_id=None if purpose == "all" else await store_of(request),
                rights=PURPOSES.get(purpose, frozenset()),
                expires_at=_end(days, clock),
            )
        except Rejected as error:
            faults = {problem.path: problem.message for problem in error.problems}
            return await tokens_page(request, error.status, name=name, faults=faults)
        return await tokens_page(request, 201, created=created)

    @routes.get(TOKENS + "/{token_id}/revoke")
    async def ask_to_revoke(request: Request, token_id: str, _who: _Managing) -> Response:
        token = next((token for token in await access.tokens.all() if token.id == token_id), None)
        if token is None:
            raise NotFound("There is no such token.")
        return pages.page(
            request,
            "access/confirm.html",
            heading=f"Revoke the token “{token.name}”?",
            happens=f"Programs that use {token.hint}… are refused within two seconds. What they have sent stays. "
            "A revoked token cannot be made good again.",
            action=request.url.path,
            verb="Revoke the token",
            back=TOKENS,
        )

    @routes.post(TOKENS + "/{token_id}/revoke")
    async def revoke_token(token_id: str, who: _Managing) -> Response:
        token = await access.tokens.revoke(token_id, actor=who.actor)
        return redirect_saying(TOKENS, Flash(f"The token “{token.name}” is revoked."))

    return routes


def _end(days: str, clock: Clock) -> datetime | None:
    """When a token ends that is to live for as many days; never where nothing was entered."""
    text = days.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:5]) <= MOST_DAYS):
        fault = f"A whole number from 1 to {MOST_DAYS:,}, or nothing for a token that never expires. No token was made."
        raise Rejected(problems=(Problem("days", fault),))
    return clock.now() + timedelta(days=int(text))


def _state(token: Token, clock: Clock) -> str:
    if token.revoked_at:
        return "revoked"
    return "expired" if token.expires_at and token.expires_at <= clock.now() else "good"
