"""Settings, for who comes without naming a store: the way to the one page of the store's connection, or to its members."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.connections.connect_pages import of_store
from ferrata.ui.routes import page_routes

SETTINGS = "/ui/settings"
MEMBERS = SETTINGS + "/members"
_Reading = Annotated[Principal, Depends(needs(Right.CONNECTIONS_READ))]


def router() -> APIRouter:
    routes = page_routes()

    @routes.get(SETTINGS)
    async def first_tab(request: Request, who: _Reading) -> Response:
        if who.may(Right.MEMBERS_READ):
            return RedirectResponse(MEMBERS, status_code=303)
        return await connection(request, who)

    @routes.get(SETTINGS + "/connection")
    async def connection(request: Request, _who: _Reading) -> Response:
        """The connection of the store that was chosen last: one address for every page that says "add a key"."""
        return RedirectResponse(of_store(await store_of(request)), status_code=303)

    return routes
