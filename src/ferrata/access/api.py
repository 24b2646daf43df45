"""Signing in over HTTP, and what everybody may do with their own sessions and password."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from starlette.requests import Request

from ferrata.access.documents import (
    EndedDocument,
    NewPasswordDocument,
    SessionDocument,
    SessionsDocument,
    SignInDocument,
    WhoDocument,
)
from ferrata.access.http import browser_of, gate_of, known, public
from ferrata.access.schemas import Principal
from ferrata.access.service import Access
from ferrata.infra.errors import Forbidden

Known = Annotated[Principal, Depends(known())]
_REFUSED: dict[int | str, dict[str, Any]] = {
    401: {"description": "E-mail address and password do not belong together."},
    429: {"description": "Too many attempts; Retry-After says when the next one is possible."},
    503: {"description": "Not possible at the moment; send it again after Retry-After."},
}
NOT_KEPT = {"Cache-Control": "no-store"}


def router(access: Access) -> APIRouter:
    routes = APIRouter(prefix="/api", tags=["session"])

    @routes.post("/session", dependencies=[Depends(public)], responses=_REFUSED)
    async def sign_in(request: Request, response: Response, given: SignInDocument) -> WhoDocument:
        """Sign in with e-mail address and password. The session is in the cookie that is set; programs use tokens instead."""
        signed_in = await access.sign_in(given.email, given.password.get_secret_value(), browser_of(request))
        gate_of(request).cookies.set(response, signed_in)
        response.headers.update(NOT_KEPT)
        who = await access.authenticate_session(signed_in.session_secret)
        if who is None:
            raise Forbidden("This account was removed just now.")
        return WhoDocument.of(who)

    @routes.get("/session")
    async def who_am_i(response: Response, who: Known) -> WhoDocument:
        """Who is asking, with the rights that hold everywhere and those in each store."""
        response.headers.update(NOT_KEPT)
        return WhoDocument.of(who)

    @routes.delete("/session", status_code=204)
    async def sign_out(request: Request, response: Response, who: Known) -> None:
        """End this session."""
        await access.sessions.end_own(who, _session_of(who))
        gate_of(request).cookies.clear(response)

    @routes.put("/session/password", status_code=204, responses={429: _REFUSED[429]})
    async def change_password(given: NewPasswordDocument, who: Known) -> None:
        """Change the own password. Every other session of yours ends."""
        await access.resets.change_own(who, given.old_password.get_secret_value(), given.new_password.get_secret_value())

    @routes.get("/sessions")
    async def sessions(who: Known) -> SessionsDocument:
        """Where you are signed in, the last used first."""
        _session_of(who)
        return SessionsDocument(sessions=[SessionDocument.of(each, who) for each in await access.sessions.all(who.id)])

    @routes.delete("/sessions")
    async def end_others(who: Known) -> EndedDocument:
        """End all of your sessions but this one."""
        _session_of(who)
        return EndedDocument(ended=await access.sessions.end_others(who))

    @routes.delete("/sessions/{session_id}", status_code=204)
    async def end_one(session_id: Annotated[str, Path(max_length=80)], who: Known) -> None:
        """End one of your sessions."""
        _session_of(who)
        await access.sessions.end_own(who, session_id)

    return routes


def _session_of(who: Principal) -> str:
    if who.session_id is None:
        raise Forbidden("A token has no session. Sign in at POST /api/session.")
    return who.session_id
