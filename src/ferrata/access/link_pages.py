"""The pages behind links that are good for one use: joining, and choosing a new password. Looking at them uses nothing up."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.errors import EmailTaken, ForSomebodyElse, LinkUnknown
from ferrata.access.http import STORE_COOKIE, browser_of, gate_of, note_refusal, principal, public
from ferrata.access.schemas import Link, Principal
from ferrata.access.service import Access
from ferrata.infra.errors import FerrataError, Rejected, Unauthenticated
from ferrata.infra.http.negotiation import wants_page
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages

INVITATION, NEW_PASSWORD = "/invitation/{secret}", "/new-password/{secret}"
_HOME, _SIGN_IN = "/", "/sign-in"
_YEAR_SECONDS = 365 * 86_400


def router(pages: Pages, access: Access) -> APIRouter:
    routes = APIRouter(include_in_schema=False, dependencies=[Depends(public)])
    _add_invitation(routes, pages, access)
    _add_new_password(routes, pages, access)
    return routes


def _add_invitation(routes: APIRouter, pages: Pages, access: Access) -> None:
    async def page(request: Request, link: Link, *, is_here: bool, status_code: int = 200, **values: object) -> Response:
        who = await _whoever(request)
        shown = {"link": link, "is_here": is_here, "who": who, "is_theirs": bool(who and who.email == link.email)}
        context = {"errors": {}, "name": ""} | shown | values
        return pages.page(request, "access/invitation.html", status_code=status_code, **context)

    @routes.get(INVITATION)
    async def look(request: Request, secret: str) -> Response:
        try:
            link, is_here = await access.invitations.look(secret)
        except LinkUnknown as error:
            return _gone(pages, request, error)
        return await page(request, link, is_here=is_here)

    @routes.post(INVITATION)
    async def accept(
        request: Request, secret: str, name: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
    ) -> Response:
        who = await _whoever(request)
        try:
            link, is_here = await access.invitations.look(secret)
        except LinkUnknown as error:
            return _gone(pages, request, error)
        if is_here:
            if who is None:
                raise Unauthenticated
            await access.invitations.accept_as(secret, who)
            return _joined(link, redirect_saying(_HOME, Flash("You are a member now.")))
        if who is not None:
            raise ForSomebodyElse
        try:
            person = await access.invitations.accept_new(secret, name, password)
        except EmailTaken:
            raise
        except Rejected as error:
            errors = {problem.path: problem.message for problem in error.problems} or {"name": error.message}
            return await page(request, link, is_here=False, status_code=error.status, errors=errors, name=name)
        signed_in = await access.sign_in(person.email, password, browser_of(request))
        response = _joined(link, redirect_saying(_HOME, Flash(f"Welcome, {person.name}.")))
        gate_of(request).cookies.set(response, signed_in)
        return response


def _add_new_password(routes: APIRouter, pages: Pages, access: Access) -> None:
    def page(request: Request, link: Link, status_code: int = 200, error: str | None = None) -> Response:
        return pages.page(request, "access/new_password.html", status_code=status_code, link=link, error=error)

    @routes.get(NEW_PASSWORD)
    async def look(request: Request, secret: str) -> Response:
        try:
            return page(request, await access.resets.look(secret))
        except LinkUnknown as error:
            return _gone(pages, request, error)

    @routes.post(NEW_PASSWORD)
    async def choose(request: Request, secret: str, password: Annotated[str, Form()] = "") -> Response:
        try:
            await access.resets.choose(secret, password)
        except LinkUnknown as error:
            return _gone(pages, request, error)
        except Rejected as error:
            return page(request, await access.resets.look(secret), error.status, error.message)
        return redirect_saying(_SIGN_IN, Flash("The new password is set, and you are signed out everywhere. Sign in with it."))


def _joined(link: Link, response: Response) -> Response:
    if link.store_id is not None:  # so that the first page is about the store that one was invited to
        response.set_cookie(STORE_COOKIE, link.store_id, max_age=_YEAR_SECONDS, httponly=True, samesite="lax")
    return response


def _gone(pages: Pages, request: Request, error: FerrataError) -> Response:
    if not wants_page(request):
        raise error
    note_refusal(request, error)
    return pages.page(request, "access/link_gone.html", status_code=error.status)


async def _whoever(request: Request) -> Principal | None:
    try:
        return await principal(request)
    except Unauthenticated:
        return None
