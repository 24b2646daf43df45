"""The page of one store's connection: how it stands, what it may do, what is used of the limits, what can be done."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs
from ferrata.access.schemas import Principal, Right
from ferrata.connections.schemas import Method, Status
from ferrata.connections.service import Connections
from ferrata.health.connection_health import ConnectionHealths
from ferrata.infra.errors import FerrataError
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PAGE = "/ui/stores/{store_id}/connection"
_Reading = Annotated[Principal, Depends(needs(Right.CONNECTIONS_READ))]
_Managing = Annotated[Principal, Depends(needs(Right.CONNECTIONS_MANAGE))]


def router(pages: Pages, healths: ConnectionHealths, connections: Connections) -> APIRouter:
    routes = page_routes()

    @routes.get(PAGE)
    async def show(request: Request, store_id: str, who: _Reading) -> Response:
        health = await healths.of(store_id)
        return pages.page(
            request,
            "health/connection.html",
            store=await connections.store(store_id),
            health=health,
            connection=health.connection,
            may_manage=who.may(Right.CONNECTIONS_MANAGE),
        )

    @routes.post(PAGE + "/test")
    async def test(store_id: str, who: _Managing) -> Response:
        """Ask Klaviyo now."""
        try:
            seen = await connections.test(store_id, actor=who.actor)
        except FerrataError as error:
            return _back(store_id, error.message, "parked")
        by_oauth = seen.method is Method.OAUTH
        if seen.status is Status.CONNECTED:
            return _back(store_id, "Klaviyo accepts the connection." if by_oauth else "Klaviyo accepts the key.")
        said = "this access any more. Connect again." if by_oauth else "the key any more. Replace it."
        return _back(store_id, f"Klaviyo does not accept {said}", "dead")

    @routes.post(PAGE + "/scopes")
    async def check_scopes(store_id: str, who: _Managing) -> Response:
        try:
            await connections.check_scopes(store_id, actor=who.actor)
        except FerrataError as error:
            return _back(store_id, error.message, "parked")
        return _back(store_id, "The scopes are looked at anew.")

    return routes


def _back(store_id: str, said: str, tone: Literal["delivered", "parked", "dead"] = "delivered") -> Response:
    return redirect_saying(f"/ui/stores/{quote(store_id)}/connection", Flash(said, tone))
