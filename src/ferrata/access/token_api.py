"""Tokens of programs over HTTP: those of the store that the request is about, or of every store."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from starlette.requests import Request

from ferrata.access.documents import NewTokenDocument, RotationDocument, TokenDocument, TokensDocument, rights_among
from ferrata.access.http import gate_of, named_store, needs, store_of
from ferrata.access.rank import check_may_scope
from ferrata.access.schemas import STORE_TOKEN, CreatedToken, Principal, Right, Token
from ferrata.access.service import Access
from ferrata.infra.errors import NotFound

Keeper = Annotated[Principal, Depends(needs(Right.TOKENS_MANAGE))]
TokenId = Annotated[str, Path(alias="tokenId", max_length=80)]


async def one_of_theirs(access: Access, who: Principal, token_id: str) -> Token:
    """The token, if it is any business of theirs. Raises NotFound, alike for a stranger's and for none."""
    token = await access.tokens.one(token_id)
    if who.store_id is not None and token.store_id != who.store_id:
        raise NotFound("There is no such token.")
    return token


def router(access: Access) -> APIRouter:
    routes = APIRouter(prefix="/api/tokens", tags=["tokens"])

    async def told(made: CreatedToken) -> TokenDocument:
        return TokenDocument.of(made.token, await access.tokens.standing_of(made.token), made.secret)

    @routes.get("")
    async def tokens(request: Request, who: Keeper) -> TokensDocument:
        """The tokens of this store; without one named, and for whoever manages all, those of every store."""
        store_id = await store_of(request) if who.store_id or named_store(request) else None
        found = await access.tokens.with_standing(store_id)
        return TokensDocument(tokens=[TokenDocument.of(token, held) for token, held in found])

    @routes.post("", status_code=201)
    async def create(request: Request, response: Response, given: NewTokenDocument, who: Keeper) -> TokenDocument:
        """Make a token. Its secret is in this answer and nowhere else.

        It cannot have rights that you lack, now or later; made with a token, it ends when that one does.
        """
        wanted = given.store_id or (None if given.all_stores else await store_of(request))
        store_id = await _theirs(request, who, wanted) if wanted else None
        rights, faults = (STORE_TOKEN & who.rights, ()) if given.rights is None else rights_among(given.rights)
        check_may_scope(who, store_id, rights)
        made = await access.tokens.create(
            given.name, actor=who.actor, store_id=store_id, rights=rights, expires_at=given.expires_at, faults=faults
        )
        response.headers["Cache-Control"] = "no-store"
        return await told(made)

    @routes.post("/{tokenId}/rotate", status_code=201)
    async def rotate(token_id: TokenId, response: Response, given: RotationDocument, who: Keeper) -> TokenDocument:
        """A new secret for the same purpose. The old one stays good for `keepOldHours`, so that programs can be changed over."""
        token = await one_of_theirs(access, who, token_id)
        check_may_scope(who, token.store_id, token.rights)
        response.headers["Cache-Control"] = "no-store"
        return await told(await access.tokens.rotate(token.id, actor=who.actor, keep_old_hours=given.keep_old_hours))

    @routes.delete("/{tokenId}", status_code=204)
    async def revoke(token_id: TokenId, who: Keeper, keep_made: Annotated[bool, Query(alias="keepMade")] = False) -> None:
        """End a token; programs that use it are refused within two seconds.

        Tokens that were made with it end too, and open invitations are withdrawn, unless `keepMade`.
        """
        token = await one_of_theirs(access, who, token_id)
        await access.tokens.revoke(token.id, actor=who.actor, keep_made=keep_made)

    return routes


async def _theirs(request: Request, who: Principal, store_id: str) -> str:
    """The store for which a token is wanted, which must be the one that the maker's right was found in."""
    if who.store_id is not None and who.store_id != store_id:
        raise NotFound("There is no such store for you. Name the store in Ferrata-Store as well.")
    return await gate_of(request).choose_store(store_id)
