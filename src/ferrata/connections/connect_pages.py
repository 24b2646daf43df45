"""The connect wizard, one question a page: how to connect, which key, which metric. And what can be done with a connection."""

from typing import Annotated
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs
from ferrata.access.schemas import Principal, Right
from ferrata.connections.key_test import told_of
from ferrata.connections.key_trials import Trial
from ferrata.connections.metrics import MetricChoices
from ferrata.connections.oauth_app import OAuthApp
from ferrata.connections.schemas import Connection, Method, Status
from ferrata.connections.scopes import FEATURES, what_is_missing
from ferrata.connections.service import Connections
from ferrata.connections.tickets import TicketExpired, Tickets
from ferrata.infra.errors import FerrataError, Rejected
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

log = structlog.get_logger()

CONNECT = "/ui/stores/{store_id}/connect"
NO_METRIC = "-"  # the choice of none, in the form
DISCONNECT = "/ui/stores/{store_id}/disconnect"
_Managing = Annotated[Principal, Depends(needs(Right.CONNECTIONS_MANAGE))]
_Text = Annotated[str, Form()]


def router(pages: Pages, connections: Connections, tickets: Tickets, app: OAuthApp | None) -> APIRouter:
    routes = page_routes()
    _add_method(routes, pages, connections, app)
    _add_key(routes, pages, connections, tickets)
    _add_metric(routes, pages, connections, tickets)
    _add_rotation(routes, pages, connections)
    _add_end(routes, pages, connections)
    return routes


def of_store(store_id: str, *, then: str = "connection") -> str:
    return f"/ui/stores/{quote(store_id)}/{then}"


def _add_method(routes: APIRouter, pages: Pages, connections: Connections, app: OAuthApp | None) -> None:
    @routes.get(CONNECT)
    async def how(request: Request, store_id: str, _who: _Managing) -> Response:
        """Which way: a key or OAuth."""
        store = await connections.store(store_id)
        seen = await connections.connection(store_id)
        return pages.page(request, "connections/connect_method.html", store=store, connection=seen, app=app)


def _add_key(routes: APIRouter, pages: Pages, connections: Connections, tickets: Tickets) -> None:
    @routes.get(CONNECT + "/key")
    async def which_key(request: Request, store_id: str, _who: _Managing) -> Response:
        return await key_form(request, store_id)

    async def key_form(request: Request, store_id: str, error: FerrataError | None = None) -> Response:
        return pages.page(
            request,
            "connections/connect_key.html",
            status_code=error.status if error else 200,
            store=await connections.store(store_id),
            features=FEATURES,
            error=_sentence(error),
        )

    @routes.post(CONNECT + "/key")
    async def look(request: Request, store_id: str, who: _Managing, private_key: _Text = "") -> Response:
        """Nothing is kept yet. The key goes on in a sealed ticket, which only this person can use, for this store."""
        try:
            trial = await connections.connecting.look(private_key)
        except FerrataError as error:
            return await key_form(request, store_id, error)
        ticket = tickets.issue(store_id, who.id, private_key.strip())
        return await metric_page(pages, connections, request, store_id, trial.metrics, trial=trial, ticket=ticket)


async def metric_page(
    pages: Pages,
    connections: Connections,
    request: Request,
    store_id: str,
    metrics: MetricChoices,
    *,
    trial: Trial | None = None,
    ticket: str = "",
    error: FerrataError | None = None,
) -> Response:
    seen = await connections.connection(store_id)
    chosen = seen.conversion_metric_id
    just_allowed = not trial and seen.method is Method.OAUTH and chosen is None
    if chosen is None and metrics.all and metrics.all[0].is_shopify_placed_order:
        chosen = metrics.all[0].id
    return pages.page(
        request,
        "connections/connect_metric.html",
        status_code=error.status if error else 200,
        store=await connections.store(store_id),
        connection=seen,
        metrics=metrics,
        chosen=chosen,
        no_metric=NO_METRIC,
        tested=trial.tested if trial else told_of(seen.account_id, seen.account) if just_allowed else None,
        method=Method.PRIVATE_KEY if trial else Method.OAUTH if just_allowed else None,
        lacking=what_is_missing(trial.scopes if trial else seen.scopes) if trial or just_allowed else None,
        ticket=ticket,
        error=_sentence(error),
    )


def _add_metric(routes: APIRouter, pages: Pages, connections: Connections, tickets: Tickets) -> None:
    @routes.get(CONNECT + "/metric")
    async def which_metric(request: Request, store_id: str, _who: _Managing) -> Response:
        """Change the metric of a connected store."""
        if not await connections.is_connected(store_id):
            return redirect_saying(of_store(store_id, then="connect"), Flash("Connect the store first.", "neutral"))
        metrics, error = MetricChoices(()), None
        try:
            metrics = await connections.metrics(store_id)
        except FerrataError as failed:
            error = failed
        return await metric_page(pages, connections, request, store_id, metrics, error=error)

    @routes.post(CONNECT + "/metric")
    async def keep(
        store_id: str, who: _Managing, ticket: _Text = "", metric: _Text = "", use_account: Annotated[bool, Form()] = False
    ) -> Response:
        connecting = connections.connecting
        try:
            if ticket:
                key = tickets.redeem(ticket, store_id, who.id)
                chosen = None if metric in ("", NO_METRIC) else metric
                seen = await connecting.complete(store_id, key, chosen, actor=who.actor)
            elif metric == NO_METRIC:
                seen = await connecting.clear_metric(store_id, actor=who.actor)
            else:
                found = await connections.metrics(store_id)
                seen = await connecting.choose_metric(store_id, metric, found, actor=who.actor)
        except TicketExpired as error:
            return redirect_saying(of_store(store_id, then="connect/key"), Flash(error.message, "parked"))
        except Rejected as error:
            said = error.problems[0].message if error.problems else error.message
            return redirect_saying(of_store(store_id, then="connect/key" if ticket else "connect/metric"), Flash(said, "dead"))
        except FerrataError as error:
            return redirect_saying(of_store(store_id, then="connect"), Flash(error.message, "dead"))
        if use_account and who.may(Right.STORES_EDIT):
            await _take_over(connections, seen, who)
        named = f" to {seen.account_name}" if seen.account_name else ""
        counted = "No metric counts as a conversion." if metric == NO_METRIC else "The conversion metric is changed."
        said = f"Connected{named}. Waiting events are on their way." if ticket else counted
        return redirect_saying(of_store(store_id), Flash(said))


async def _take_over(connections: Connections, seen: Connection, who: Principal) -> None:
    """Give the store its account's time zone and currency. What cannot be taken leaves the store as it is."""
    zone, currency = seen.account.get("timezone"), seen.account.get("preferred_currency")
    try:
        await connections.registry.change(seen.store_id, actor=who.actor, time_zone=zone, currency=currency)
    except Rejected as error:
        log.warning("connections.account_settings_not_taken", store=seen.store_id, error=str(error))


def _add_rotation(routes: APIRouter, pages: Pages, connections: Connections) -> None:
    async def form(request: Request, store_id: str, error: FerrataError | None = None) -> Response:
        return pages.page(
            request,
            "connections/rotate.html",
            status_code=error.status if error else 200,
            store=await connections.store(store_id),
            connection=await connections.connection(store_id),
            error=_sentence(error),
        )

    @routes.get(CONNECT + "/rotate")
    async def which_key(request: Request, store_id: str, _who: _Managing) -> Response:
        return await form(request, store_id)

    @routes.post(CONNECT + "/rotate")
    async def rotate(request: Request, store_id: str, who: _Managing, private_key: _Text = "") -> Response:
        try:
            seen = await connections.connecting.rotate(store_id, private_key, actor=who.actor)
        except FerrataError as error:
            return await form(request, store_id, error)
        said = "The new key is in use. The old one is forgotten here once it has drained; then revoke it in Klaviyo."
        lacking = what_is_missing(seen.scopes)
        return redirect_saying(of_store(store_id), Flash(f"{said} {lacking}", "parked") if lacking else Flash(said))


def _add_end(routes: APIRouter, pages: Pages, connections: Connections) -> None:
    @routes.get(DISCONNECT)
    async def ask(request: Request, store_id: str, _who: _Managing) -> Response:
        seen = await connections.connection(store_id)
        if seen.status is Status.NOT_CONFIGURED:
            return redirect_saying(of_store(store_id), Flash("This store is not connected.", "neutral"))
        store = await connections.store(store_id)
        return pages.page(request, "connections/disconnect.html", store=store, connection=seen)

    @routes.post(DISCONNECT)
    async def disconnect(store_id: str, who: _Managing) -> Response:
        await connections.connecting.disconnect(store_id, who.actor)
        return redirect_saying(of_store(store_id), Flash("Disconnected. Events are kept and wait for a new key."))


def _sentence(error: FerrataError | None) -> str | None:
    if error is None:
        return None
    return error.problems[0].message if error.problems else error.message
