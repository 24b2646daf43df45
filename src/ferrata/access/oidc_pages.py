"""The two doors of signing in with an OpenID provider: out to it, and back from it."""

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ferrata.access.errors import NobodyHere, ProviderRefused, ProviderUnavailable, TooManyGuesses
from ferrata.access.http import browser_of, gate_of, note_refusal, public
from ferrata.access.oidc import BEGIN, CALLBACK, GOOD_FOR, Oidc
from ferrata.access.oidc_provider import said_by_provider
from ferrata.access.pages import FIRST_PAGE, HOME
from ferrata.access.schemas import Role
from ferrata.infra.errors import FerrataError, NotFound
from ferrata.infra.http.negotiation import local_path, wants_page
from ferrata.ui.render import Pages

COOKIE = "ferrata_oidc"
_LONGEST = 4_000


def router(pages: Pages, oidc: Oidc | None, *, secure: bool) -> APIRouter:
    routes = APIRouter(include_in_schema=False, dependencies=[Depends(public)])

    def configured() -> Oidc:
        if oidc is None:
            raise NotFound("No OpenID provider is configured here.")
        return oidc

    def told(request: Request, error: FerrataError) -> Response:
        if not wants_page(request):
            raise error
        note_refusal(request, error)
        values = {"next": HOME, "email": "", "error": error.message, "provider": configured().registration.name}
        return pages.page(request, "access/sign_in.html", status_code=error.status, **values)

    @routes.get(BEGIN)
    async def begin(request: Request, next: str = HOME) -> Response:
        try:
            begun = await configured().begin(local_path(next, HOME), browser_of(request))
        except (ProviderUnavailable, TooManyGuesses) as error:
            return told(request, error)
        response = RedirectResponse(begun.url, status_code=303)
        age = int(GOOD_FOR.total_seconds())
        # Lax, not strict: the browser comes back from the provider's site.
        response.set_cookie(COOKIE, begun.browser_secret, max_age=age, path=BEGIN, httponly=True, samesite="lax", secure=secure)
        return response

    @routes.get(CALLBACK)
    async def callback(request: Request, state: str = "", code: str = "", error: str = "") -> Response:
        ending = configured()
        try:
            if error or not state or not code or max(map(len, (state, code))) > _LONGEST:
                raise ProviderRefused(
                    f"The provider did not sign you in: {said_by_provider(error) if error else 'it sent no code'}."
                )
            signed_in, wanted = await ending.complete(state, code, request.cookies.get(COOKIE), browser_of(request))
        except (ProviderRefused, ProviderUnavailable, NobodyHere) as refused:
            response = told(request, refused)
        else:
            first = FIRST_PAGE if wanted == HOME and signed_in.person.role is Role.MEMBER else wanted
            response = RedirectResponse(first, status_code=303)
            gate_of(request).cookies.set(response, signed_in)
        response.delete_cookie(COOKIE, path=BEGIN, httponly=True, samesite="lax", secure=secure)
        return response

    return routes
