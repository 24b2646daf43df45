"""The front step: a greeting for programs, the way in for people, the choice of a store, the static files."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from ferrata.access.http import needs, open_to_all, principal, public, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.entry.frame import PROFILE, remember_store
from ferrata.entry.wiring import Wiring
from ferrata.infra.errors import Forbidden, NotFound, Unauthenticated
from ferrata.infra.http.negotiation import local_path, wants_page
from ferrata.ui.chrome import NAVIGATION
from ferrata.ui.pages import PatternPages

GREETING = "Ferrata is running. The API is described at /api, and its health is told at /health.\n"
OVERVIEW = "/ui"


def router(wiring: Wiring) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"], dependencies=[Depends(public)])
    async def front(request: Request) -> Response:
        if not wants_page(request):
            return PlainTextResponse(GREETING)
        try:
            return RedirectResponse(await _first_page(request), status_code=303)
        except Unauthenticated:
            nobody_yet = await wiring.access.first_administrator.is_needed()
            return RedirectResponse("/setup" if nobody_yet else "/sign-in", status_code=303)

    @routes.get("/ui/stores/{store_id}/show")
    async def show_store(
        store_id: str, _who: Annotated[Principal, Depends(needs(Right.EVENTS_READ))], back: str = OVERVIEW
    ) -> Response:
        """Remember in this browser which store its pages are about."""
        store = await wiring.connections.store(store_id)
        response = RedirectResponse(local_path(back, OVERVIEW), status_code=303)
        remember_store(response, store.id, secure=wiring.settings.has_secure_cookies())
        return response

    patterns = PatternPages(wiring.pages, wiring.clock, wiring.stopping)
    for route in (wiring.static.route(), *patterns.routes()):  # nothing of any store is in these
        routes.add_route(route.path, open_to_all(route.endpoint), methods=["GET"], name=route.name)
    return routes


async def _first_page(request: Request) -> str:
    """The first page of the navigation that would be answered; failing all, their own profile. Raises Unauthenticated."""
    who = await principal(request)
    try:
        rights = who.within(await store_of(request)).rights
    except (Forbidden, NotFound):
        return PROFILE
    return next((item.href for item in NAVIGATION if not item.needs or item.needs in rights), PROFILE)
