"""Settings, Connection: the state of the store's key, a new key tested before it is kept, and the way out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.connections.errors import KeyUntested
from ferrata.connections.schemas import Status
from ferrata.connections.service import Connections
from ferrata.infra.errors import FerrataError
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages

SETTINGS = "/ui/settings"
DISCONNECT = SETTINGS + "/connection/disconnect"
_Reading = Annotated[Principal, Depends(needs(Right.CONNECTIONS_READ))]
_Managing = Annotated[Principal, Depends(needs(Right.CONNECTIONS_MANAGE))]


def router(pages: Pages, connections: Connections) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    async def page(request: Request, who: Principal, status_code: int = 200, error: FerrataError | None = None) -> Response:
        store = await connections.store(await store_of(request))
        values = {
            "store": store,
            "connection": await connections.connection(store.id),
            "error": error.message if error else None,
            "can_skip_test": isinstance(error, KeyUntested),
            "may_manage": who.may(Right.CONNECTIONS_MANAGE),
        }
        return pages.page(request, "connections/settings.html", status_code=status_code, **values)

    @routes.get(SETTINGS)
    async def show(request: Request, who: _Reading) -> Response:
        return await page(request, who)

    @routes.post(SETTINGS + "/connection")
    async def set_key(
        request: Request,
        who: _Managing,
        private_key: Annotated[str, Form()] = "",
        without_test: Annotated[bool, Form()] = False,
    ) -> Response:
        store_id = await store_of(request)
        try:
            connection = await connections.set_private_key(store_id, private_key, actor=who.actor, test=not without_test)
        except FerrataError as error:
            return await page(request, who, error.status, error)
        named = f" to {connection.account_name}" if connection.account_name else ""
        said = "The key is kept, but not tested yet." if without_test else f"Connected{named}. Waiting events are on their way."
        return redirect_saying(SETTINGS, Flash(said))

    @routes.post(SETTINGS + "/connection/test")
    async def test_key(request: Request, who: _Managing) -> Response:
        try:
            connection = await connections.test(await store_of(request), actor=who.actor)
        except FerrataError as error:
            return await page(request, who, error.status, error)
        if connection.status is Status.CONNECTED:
            return redirect_saying(SETTINGS, Flash("Klaviyo accepts the key."))
        return redirect_saying(SETTINGS, Flash("Klaviyo does not accept the key any more. Add a new one.", "dead"))

    @routes.get(DISCONNECT)
    async def ask_to_disconnect(request: Request, _who: _Managing) -> Response:
        store = await connections.store(await store_of(request))
        return pages.page(
            request,
            "access/confirm.html",
            heading=f"Disconnect {store.name} from Klaviyo?",
            happens="Ferrata forgets the key. Events are still accepted and kept; they wait until a key is added again.",
            action=DISCONNECT,
            verb="Disconnect",
            back=SETTINGS,
        )

    @routes.post(DISCONNECT)
    async def disconnect(request: Request, who: _Managing) -> Response:
        await connections.disconnect(await store_of(request), who.actor)
        return redirect_saying(SETTINGS, Flash("Disconnected. Events are kept and wait for a new key."))

    return routes
