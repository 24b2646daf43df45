"""Connecting a store by OAuth as a person walks it: what will be asked, Klaviyo's page, and back; and how it stands since."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.errors import OtherStore
from ferrata.access.http import known, needs, note_refusal
from ferrata.access.schemas import Principal, Right
from ferrata.connections.oauth_app import CALLBACK
from ferrata.connections.oauth_errors import NeedsPerson, NotByOAuth, StateUnknown
from ferrata.connections.oauth_service import OAuth, Returned, Who
from ferrata.connections.scopes import ALL_SCOPES, FEATURES
from ferrata.connections.service import Connections
from ferrata.infra.errors import FerrataError, Forbidden
from ferrata.klaviyo import KlaviyoError
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

CONNECT = "/ui/stores/{store_id}/connect/oauth"
CONNECTION = "/ui/stores/{store_id}/connection"
METRIC = "/ui/stores/{store_id}/connect/metric"
_Reading = Annotated[Principal, Depends(needs(Right.CONNECTIONS_READ))]
_Managing = Annotated[Principal, Depends(needs(Right.CONNECTIONS_MANAGE))]
_Known = Annotated[Principal, Depends(known())]
_Word = Annotated[str, Query(max_length=4096)]


def router(pages: Pages, oauth: OAuth, connections: Connections) -> APIRouter:
    routes = page_routes()

    async def page(
        request: Request, who: Principal, store_id: str, status_code: int = 200, error: FerrataError | None = None
    ) -> Response:
        values = {
            "store": await connections.store(store_id),
            "connection": await connections.connection(store_id),
            "installation": await oauth.installations.of_store(store_id),
            "app": oauth.app,
            "features": FEATURES,
            "others": [scope for scope in oauth.app.scopes if scope not in ALL_SCOPES] if oauth.app else [],
            "redirect_uri": oauth.redirect_uri,
            "may_manage": who.may(Right.CONNECTIONS_MANAGE),
            "error": error.message if error else None,
        }
        return pages.page(request, "connections/oauth.html", status_code=status_code, **values)

    @routes.get(CONNECT)
    async def show(request: Request, store_id: str, who: _Reading) -> Response:
        keep_to_own_store(who, store_id)
        return await page(request, who, store_id)

    @routes.post(CONNECT)
    async def begin(request: Request, store_id: str, who: _Managing) -> Response:
        """A page that leads on: our content policy lets no form end on another host."""
        keep_to_own_store(who, store_id)
        try:
            begun = await oauth.begin(store_id, person_of(who))
        except FerrataError as error:
            return await page(request, who, store_id, error.status, error)
        store = await connections.store(store_id)
        answer = pages.page(request, "connections/oauth_leaving.html", store=store, address=begun.consent_address, app=oauth.app)
        answer.headers["Refresh"] = f"0; url={begun.consent_address}"
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer

    @routes.post(CONNECT + "/refresh")
    async def refresh(request: Request, store_id: str, who: _Managing) -> Response:
        keep_to_own_store(who, store_id)
        address = CONNECT.format(store_id=store_id)
        try:
            installation = await oauth.installations.of_store(store_id)
            if installation is None:
                raise NotByOAuth
            await oauth.installations.refresh(installation.id)
        except NotByOAuth as error:
            return await page(request, who, store_id, error.status, error)
        except KlaviyoError as error:
            return redirect_saying(address, Flash(f"The tokens were not renewed: {error.outcome.sentence}", "dead"))
        return redirect_saying(address, Flash("Klaviyo gave new tokens."))

    @routes.get(CALLBACK)
    async def come_back(request: Request, who: _Known, state: _Word = "", code: _Word = "", error: _Word = "") -> Response:
        """Klaviyo sends the person here. Which store it is about is known by the state alone; so the right to manage its
        connection is asked for once the state is known, and then anew. What is said is good once, so this address may be
        opened again without harm."""
        person, returned = person_of(who), Returned(state, code, error)
        try:
            start = await oauth.take_back(returned, person)
        except FerrataError as refused:
            if isinstance(refused, StateUnknown):  # of the others the room itself has kept a record
                note_refusal(request, refused)
            return pages.page(request, "connections/oauth_refused.html", status_code=refused.status, error=refused.message)
        try:
            connection = await oauth.complete(start, returned, person, allowed=lambda: require_managing(who, start.store_id))
        except Forbidden:
            raise
        except FerrataError as failed:
            return await page(request, who.within(start.store_id), start.store_id, failed.status, failed)
        named = f" to {connection.account_name}" if connection.account_name else ""
        said = f"Connected{named} by OAuth. Waiting events are on their way."
        chosen = (await connections.connection(start.store_id)).conversion_metric_id
        return redirect_saying((CONNECTION if chosen else METRIC).format(store_id=start.store_id), Flash(said))

    return routes


def person_of(who: Principal) -> Who:
    """Raises NeedsPerson: a token has no browser, and Klaviyo asks a person."""
    if who.kind != "person" or not who.session_id:
        raise NeedsPerson
    return Who(who.id, who.session_id, who.actor)


def keep_to_own_store(who: Principal, store_id: str) -> None:
    """Raises OtherStore."""
    if who.store_id not in (None, store_id):
        raise OtherStore(f"This token belongs to the store {who.store_id!r}.")


def require_managing(who: Principal, store_id: str) -> None:
    """Raises LacksRight, OtherStore."""
    here = who.within(store_id)
    keep_to_own_store(here, store_id)
    here.require(Right.CONNECTIONS_MANAGE)
