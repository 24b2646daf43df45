"""The connect API: one store's connection to Klaviyo, asked for, made, changed and ended; and a test of any key.

Who is asking and whether they may comes first, then what they ask: the body is read after the gate.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.connections import connect_bodies as bodies
from ferrata.connections.errors import IntegrationNotFound, NotConnected
from ferrata.connections.key_report import KeyReports
from ferrata.connections.service import Connections
from ferrata.infra.errors import Problem, Rejected

CONNECT = "/api/store/{storePublicId}/klaviyo-connect"
KEY_NEEDED, METRIC_NEEDED = "API key is required", "Conversion metric ID is required"
ACTIONS = ("test", "connect")
REFUSALS: dict[int | str, dict[str, Any]] = {
    409: {"description": "It does not fit how the store is connected now."},
    422: {"description": "Klaviyo does not accept this key. What was connected before stays."},
    424: {"description": "What is kept of the connection cannot be used: connect again."},
    429: {"description": "Keys of this account were tried too often; again after Retry-After."},
    502: {"description": "Klaviyo could not be asked. What was connected before stays."},
}
Reader = Annotated[Principal, Depends(needs(Right.CONNECTIONS_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.CONNECTIONS_MANAGE))]
Store = Annotated[str, Depends(store_of)]
Answer = dict[str, Any]


def router(connections: Connections) -> APIRouter:
    routes = APIRouter(tags=["connections"])
    _add_status(routes, connections)
    _add_connecting(routes, connections)
    _add_rotation(routes, connections)
    _add_test(routes, KeyReports(connections))
    return routes


def _add_status(routes: APIRouter, connections: Connections) -> None:
    @routes.get(CONNECT)
    async def status(storePublicId: str, _who: Reader, store_id: Store) -> Answer:  # noqa: N803 - the documented name
        """How this store is connected to Klaviyo. `last_sync` and `sync_status` are null: nothing is read from Klaviyo yet."""
        return {"success": True, "klaviyo_integration": bodies.integration(await connections.connection(store_id))}

    @routes.get("/api/store/{storePublicId}/klaviyo-metrics", responses=REFUSALS)
    async def metrics(storePublicId: str, _who: Reader, store_id: Store) -> Answer:  # noqa: N803 - as above
        """The metrics of the connected account, as the test of a key gives them. Without a connection the list is empty."""
        seen = await connections.connection(store_id)
        try:
            found = await connections.metrics(store_id)
        except NotConnected:
            return {"success": False, "error": "Klaviyo not connected", "metrics": [], "account": None}
        shown = [bodies.metric(choice) for choice in found.all]
        return {"success": True, "metrics": shown, "account": bodies.account(seen), "warnings": list(found.warnings)}


def _add_connecting(routes: APIRouter, connections: Connections) -> None:
    connecting = connections.connecting

    @routes.post(CONNECT, responses=REFUSALS, openapi_extra=bodies.CONNECT_BODY)
    async def connect(request: Request, storePublicId: str, who: Keeper, store_id: Store) -> Answer:  # noqa: N803 - as above
        """Look at a key (`action: test`: nothing is kept), or connect with it and a conversion metric, which tests it again.

        Without a key, a store that is connected takes the metric alone.
        """
        fields = await bodies.read_fields(request)
        action = bodies.text_of(fields, "action")
        if action not in (None, *ACTIONS):
            raise Rejected(problems=(Problem("action", "action must be test or connect"),))
        if action == "test":
            trial = await connecting.look(bodies.text_of(fields, "apiKey", needed=KEY_NEEDED) or "")
            return bodies.looked_at(trial)
        key = bodies.text_of(fields, "apiKey")
        if key is None and not await connections.is_connected(store_id):
            bodies.text_of(fields, "apiKey", needed=KEY_NEEDED)
        names = ("conversionMetricId", "conversion_metric_id")
        metric_id = bodies.text_of(fields, *names, needed=METRIC_NEEDED) or ""
        if key is None:
            found = await connections.metrics(store_id)
            connection = await connecting.choose_metric(store_id, metric_id, found, actor=who.actor)
        else:
            connection = await connecting.complete(store_id, key, metric_id, actor=who.actor)
        told = {"klaviyo_integration": bodies.completed(connection)}
        lacking = bodies.warnings(connection.scopes)
        return {"success": True, "message": "Klaviyo connected successfully", "store": told, "warnings": lacking}

    @routes.delete(CONNECT + "/metric", responses=REFUSALS)
    async def clear_metric(storePublicId: str, who: Keeper, store_id: Store) -> Answer:  # noqa: N803 - as above
        """Count nothing as a conversion from now on. The connection stays; another metric can be chosen at any time."""
        connection = await connecting.clear_metric(store_id, actor=who.actor)
        told = {"klaviyo_integration": bodies.completed(connection)}
        return {"success": True, "message": "Conversion metric cleared", "store": told}

    @routes.delete(CONNECT)
    async def disconnect(storePublicId: str, who: Keeper, store_id: Store) -> Answer:  # noqa: N803 - as above
        """Forget the key or tokens, the account and the metric. The store stays, and its events wait."""
        try:
            await connecting.disconnect(store_id, who.actor)
        except NotConnected:
            raise IntegrationNotFound from None
        return {"success": True, "message": "Klaviyo integration disconnected successfully"}


def _add_rotation(routes: APIRouter, connections: Connections) -> None:
    @routes.post(CONNECT + "/rotate", responses=REFUSALS, openapi_extra=bodies.KEY_BODY)
    async def rotate(request: Request, storePublicId: str, who: Keeper, store_id: Store) -> Answer:  # noqa: N803 - as above
        """Replace the key by another of the same account without a gap. Revoke the old one once `retiring` is empty."""
        key = bodies.text_of(await bodies.read_fields(request), "apiKey", needed=KEY_NEEDED) or ""
        connection = await connections.connecting.rotate(store_id, key, actor=who.actor)
        kept = bodies.retiring(await connections.rotation.retiring(store_id))
        shown = bodies.completed(connection) | {"retiring": kept}
        told = {"success": True, "message": "Klaviyo key replaced", "store": {"klaviyo_integration": shown}}
        return told | {"warnings": bodies.warnings(connection.scopes)}

    @routes.post(CONNECT + "/scopes", responses=REFUSALS)
    async def check_scopes(storePublicId: str, who: Keeper, store_id: Store) -> Answer:  # noqa: N803 - as above
        """Ask Klaviyo anew what the connection may do, one cheap request for each scope."""
        seen = await connections.check_scopes(store_id, actor=who.actor)
        return {"success": True, "scopes": bodies.scopes(seen.scopes), "checked_at": bodies.instant(seen.scopes_checked_at)}


def _add_test(routes: APIRouter, reports: KeyReports) -> None:
    @routes.get("/api/klaviyo/test", responses=REFUSALS)
    async def test_own(_who: Keeper, store_id: Store) -> Answer:
        """What the store's own connection can reach. A key in the address is refused: every log on the way would keep it."""
        return await reports.of_store(store_id)

    @routes.post("/api/klaviyo/test", responses=REFUSALS, openapi_extra=bodies.KEY_BODY)
    async def test_key(request: Request, _who: Keeper, store_id: Store) -> Answer:
        """What this key can reach: lists and metrics with samples, the rate limit, the revision. Nothing is kept."""
        key = bodies.text_of(await bodies.read_fields(request), "apiKey", needed=KEY_NEEDED) or ""
        return await reports.of_key(key)
