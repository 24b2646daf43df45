"""The demo's own door: an address that signs the shop's owner in, so that the first page that opens is the overview.

It lives as long as this process, knows a secret that only this machine's terminal and ``demo.json`` show, and signs in with
the password as the form would.
"""

import secrets

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ferrata.access.errors import NotSignedIn, TooManyGuesses
from ferrata.access.http import browser_of, gate_of, public
from ferrata.access.service import Access
from ferrata.infra.errors import NotFound

OVERVIEW = "/ui"


def new_secret() -> str:
    return secrets.token_urlsafe(18)


def path_of(secret: str) -> str:
    return f"/demo/{secret}"


def router(access: Access, *, email: str, password: str, secret: str) -> APIRouter:
    routes = APIRouter(include_in_schema=False, dependencies=[Depends(public)])

    @routes.get("/demo/{given}")
    async def enter(given: str, request: Request) -> Response:
        if not secrets.compare_digest(given.encode(), secret.encode()):
            raise NotFound("This address was good for another start of the demo. The terminal shows the present one.")
        try:
            signed_in = await access.sign_in(email, password, browser_of(request))
        except (NotSignedIn, TooManyGuesses):  # the password was changed since: then the form is the way in
            return RedirectResponse("/sign-in", status_code=303)
        response = RedirectResponse(OVERVIEW, status_code=303)
        gate_of(request).cookies.set(response, signed_in)
        return response

    return routes
