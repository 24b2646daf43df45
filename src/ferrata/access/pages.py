"""The pages before the sign-in: signing in and out, and the first administrator."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ferrata.access.errors import NotSignedIn, SetupTokenUnknown, TooManyGuesses
from ferrata.access.http import browser_of, gate_of, note_refusal, principal, public
from ferrata.access.schemas import Role, SignedIn
from ferrata.access.service import Access
from ferrata.infra.errors import Rejected, Unauthenticated
from ferrata.infra.http.negotiation import local_path
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages

HOME, FIRST_PAGE = "/ui", "/"


def router(pages: Pages, access: Access, provider: str | None = None) -> APIRouter:
    """``provider``: the name of the OpenID provider that may be signed in with, if there is one."""
    routes = APIRouter(include_in_schema=False, dependencies=[Depends(public)])

    @routes.get("/sign-in")
    async def sign_in_page(request: Request, next: str = HOME) -> Response:
        if await access.first_administrator.is_needed():
            return RedirectResponse("/setup", status_code=303)
        wanted = local_path(next, HOME)
        return pages.page(request, "access/sign_in.html", next=wanted, email="", error=None, provider=provider)

    @routes.post("/sign-in")
    async def sign_in(
        request: Request,
        email: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = HOME,
    ) -> Response:
        wanted = local_path(next, HOME)
        try:
            signed_in = await access.sign_in(email, password, browser_of(request))
        except (NotSignedIn, TooManyGuesses) as error:
            shown = {"email": email, "error": error.message, "provider": provider}
            page = pages.page(request, "access/sign_in.html", status_code=error.status, next=wanted, **shown)
            if error.retry_after_seconds is not None:
                page.headers["Retry-After"] = str(round(error.retry_after_seconds))
            return page
        if wanted == HOME and signed_in.person.role is Role.MEMBER:
            wanted = FIRST_PAGE  # which leads to the first page that their roles open
        return _welcomed(request, signed_in, RedirectResponse(wanted, status_code=303))

    @routes.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        try:
            who = await principal(request)
        except Unauthenticated:
            who = None
        if who and who.session_id:
            await access.sessions.end(who.session_id, actor=who.actor)
        response = redirect_saying("/sign-in", Flash("You are signed out."))
        gate_of(request).cookies.clear(response)
        return response

    @routes.get("/setup")
    async def setup_page(request: Request) -> Response:
        if not await access.first_administrator.is_needed():
            return RedirectResponse("/sign-in", status_code=303)
        return pages.page(request, "access/setup.html", email="", name="", token="", errors={})

    @routes.post("/setup")
    async def set_up(
        request: Request,
        token: Annotated[str, Form()] = "",
        email: Annotated[str, Form()] = "",
        name: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
    ) -> Response:
        browser = browser_of(request)
        try:
            await access.first_administrator.create(token, email, name, password, address=browser.address)
        except Rejected as error:
            note_refusal(request, error)
            errors = {problem.path: problem.message for problem in error.problems}
            if isinstance(error, SetupTokenUnknown | TooManyGuesses):
                errors["token"] = error.message
            values = {"email": email, "name": name, "token": token, "errors": errors}
            return pages.page(request, "access/setup.html", status_code=error.status, **values)
        signed_in = await access.sign_in(email, password, browser)
        flash = Flash("You are the first administrator. Connect Klaviyo next.")
        return _welcomed(request, signed_in, redirect_saying("/ui/settings/connection", flash))

    return routes


def _welcomed(request: Request, signed_in: SignedIn, response: Response) -> Response:
    gate_of(request).cookies.set(response, signed_in)
    return response
