"""The HTTP door: one application from all rooms' routes, with what every answer has in common around it."""

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import ferrata
from ferrata.access import api as session_api
from ferrata.access import link_pages, member_pages, oidc_pages, people_api, people_pages, profile_pages, token_api, token_pages
from ferrata.access import pages as access_pages
from ferrata.access.http import declared_rights
from ferrata.access.revealed import Revealed
from ferrata.access.streams import StillAllowed
from ferrata.alerts import api as alerts_api
from ferrata.alerts import pages as alert_pages
from ferrata.carts import api as carts_api
from ferrata.carts import pages as cart_pages
from ferrata.carts import settings_pages as cart_settings_pages
from ferrata.catalog import api as catalog_api
from ferrata.catalog import pages as catalog_pages
from ferrata.connections import api as connections_api
from ferrata.connections import connect_pages, oauth_api, oauth_pages, store_api, store_pages
from ferrata.connections import pages as connections_pages
from ferrata.connections.tickets import Tickets
from ferrata.dashboard import pages as overview_pages
from ferrata.dashboard.service import Dashboard
from ferrata.delivery import api as delivery_api
from ferrata.delivery import dead_letter_pages, story_pages
from ferrata.delivery import pages as lane_pages
from ferrata.delivery.changes import DeadLetterChanges
from ferrata.entry import api_docs, front
from ferrata.entry.frame import Frame
from ferrata.entry.hot_door import Deliveries, HotDoor
from ferrata.entry.noting import Noting
from ferrata.entry.telling import Teller
from ferrata.entry.wiring import Wiring
from ferrata.events import api as events_api
from ferrata.events import pages as event_pages
from ferrata.events.hot_route import hot_endpoints
from ferrata.flags import api as flags_api
from ferrata.flags import pages as flags_pages
from ferrata.health import api as health_api
from ferrata.health import connection_api, connection_pages
from ferrata.infra.http.access_log import AccessLog
from ferrata.infra.http.addresses import FitAddresses
from ferrata.infra.http.body import SmallBodies
from ferrata.infra.http.described import with_refusals
from ferrata.infra.http.failures import Failures
from ferrata.infra.http.headers import SecurityHeaders, security_headers
from ferrata.infra.http.measured import Measured
from ferrata.infra.http.origin import SameOrigin
from ferrata.infra.http.request_ids import RequestIds
from ferrata.readthrough import api as readthrough_api
from ferrata.retention import api as retention_api
from ferrata.sources import api as sources_api
from ferrata.sources import door as source_door
from ferrata.sources import explain_pages, history_pages
from ferrata.sources import pages as sources_pages
from ferrata.sources import settings_pages as source_settings_pages
from ferrata.sources.segment import api as segment_api
from ferrata.trail import api as trail_api
from ferrata.trail import pages as trail_pages
from ferrata.ui.policy import CONTENT_SECURITY_POLICY


class Application(FastAPI):
    """FastAPI behind a front that stands outside of everything that the framework does for each request."""

    _front: ASGIApp

    def stand_behind(self, front: Callable[[ASGIApp], ASGIApp]) -> None:
        """``front`` makes, of the application as it is, the one that is called."""
        self._front = front(super().__call__)

    def openapi(self) -> dict[str, Any]:
        return with_refusals(super().openapi())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._front(scope, receive, send)


def create_app(wiring: Wiring) -> Application:
    """The application. Whoever serves it starts the wiring before and closes it afterwards."""
    app = Application(
        title="Ferrata",
        version=ferrata.__version__,
        description=api_docs.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.gate = wiring.gate
    app.state.stopping = wiring.stopping
    app.state.frame = Frame(wiring.connections, wiring.delivery, wiring.alerts, secure=wiring.settings.has_secure_cookies())
    events = events_api.router(wiring.events, wiring.clock, wait_seconds=wiring.settings.accept_wait_ms / 1000)
    _include_rooms(app, wiring, events)
    note = Noting(wiring.audit, wiring.clock, wiring.connections.registry.one)
    app.state.note = note
    tell = Teller(wiring.pages, note)
    tell.attach(app)
    _wrap(app, wiring, tell, note, events)
    for _ in declared_rights(app.routes):
        pass  # an undeclared route raises here, before anything is served
    return app


def _include_rooms(app: FastAPI, wiring: Wiring, events: APIRouter) -> None:
    _add(app, front.router(wiring))
    oidc = wiring.access.oidc
    _add(app, access_pages.router(wiring.pages, wiring.access, oidc.registration.name if oidc else None))
    _add(app, oidc_pages.router(wiring.pages, oidc, secure=wiring.settings.has_secure_cookies()))
    _add(app, link_pages.router(wiring.pages, wiring.access))
    _add(app, session_api.router(wiring.access))
    _add(app, people_api.router(wiring.access))
    _add(app, token_api.router(wiring.access))
    for pages in _pages(wiring):
        _add(app, pages)
    _add(app, delivery_api.router(wiring.delivery, wiring.connections, DeadLetterChanges(wiring.delivery, wiring.audit)))
    _add(app, connections_api.router(wiring.connections))
    _add(app, connection_api.router(wiring.health.of_connections))
    _add(app, store_api.router(wiring.connections))
    _add(app, oauth_api.router(wiring.oauth, wiring.connections))
    _add(app, catalog_api.router(wiring.catalog))
    _add(app, readthrough_api.router(wiring.readthrough, wiring.events))
    _add(app, events)
    _add(app, source_door.router(wiring.sources, wiring.clock))
    _add(app, sources_api.router(wiring.sources, wiring.clock))
    _add(app, carts_api.router(wiring.carts, wiring.clock))
    _add(app, retention_api.router(wiring.retention))
    _add(app, trail_api.router(wiring.audit))
    _add(app, segment_api.router(wiring.sources, wiring.clock))
    _add(app, alerts_api.router(wiring.alerts))
    _add(app, flags_api.router(wiring.flags, wiring.events, wiring.connections, wiring.clock))
    token = wiring.settings.metrics_token
    _add(app, health_api.router(wiring.health, wiring.metrics, token.get_secret_value() if token else None))
    _add(app, api_docs.router(app, wiring.static))
    for routes in wiring.own_routes:
        _add(app, routes)


def _add(app: FastAPI, routes: APIRouter) -> None:
    """As ``include_router``, which would build every route anew to add what ours already carry."""
    app.router.routes.extend(routes.routes)


def _pages(wiring: Wiring) -> Iterator[APIRouter]:
    yield connections_pages.router()
    yield store_pages.router(wiring.pages, wiring.connections)
    yield connect_pages.router(wiring.pages, wiring.connections, Tickets(wiring.box, wiring.clock), wiring.oauth.app)
    yield connection_pages.router(wiring.pages, wiring.health.of_connections, wiring.connections)
    yield oauth_pages.router(wiring.pages, wiring.oauth, wiring.connections)
    yield flags_pages.router(wiring.pages, wiring.flags, wiring.events, wiring.connections, wiring.clock)
    revealed = Revealed(wiring.box, wiring.clock, secure=wiring.settings.has_secure_cookies())
    yield token_pages.router(wiring.pages, wiring.access, wiring.clock, revealed)
    yield member_pages.router(wiring.pages, wiring.access, wiring.clock, revealed)
    yield people_pages.router(wiring.pages, wiring.access, wiring.clock, revealed)
    yield profile_pages.router(wiring.pages, wiring.access)
    yield trail_pages.router(wiring.pages, wiring.audit)
    yield alert_pages.router(wiring.pages, wiring.alerts, wiring.connections)
    dashboard = Dashboard(wiring.events, wiring.delivery, wiring.connections, wiring.clock)
    yield overview_pages.router(
        wiring.pages,
        dashboard,
        clock=wiring.clock,
        closing=wiring.stopping,
        guide=wiring.guide,
        health=wiring.health.report,
    )
    yield event_pages.router(
        wiring.pages, wiring.events, wiring.delivery, wiring.profiles, clock=wiring.clock, closing=wiring.stopping
    )
    yield catalog_pages.router(wiring.pages, wiring.catalog)
    yield story_pages.router(wiring.pages, wiring.delivery)
    yield sources_pages.router(wiring.pages, wiring.sources, wiring.clock, wiring.stopping)
    yield history_pages.router(wiring.pages, wiring.sources, wiring.clock, wiring.stopping)
    yield explain_pages.router(wiring.pages, wiring.sources, wiring.clock)
    yield source_settings_pages.router(wiring.pages, wiring.sources)
    yield cart_pages.router(wiring.pages, wiring.carts, wiring.clock, wiring.stopping)
    yield cart_settings_pages.router(wiring.pages, wiring.carts)
    changes = DeadLetterChanges(wiring.delivery, wiring.audit)
    yield lane_pages.router(
        wiring.pages, wiring.delivery, changes, wiring.connections, clock=wiring.clock, closing=wiring.stopping
    )
    yield dead_letter_pages.router(wiring.pages, wiring.delivery, changes, wiring.clock, wiring.stopping)


def _wrap(app: Application, wiring: Wiring, tell: Teller, note: Noting, events: APIRouter) -> None:
    """The last that is added stands outermost; outside of them all, where measuring begins, is the hot door."""
    settings, clock = wiring.settings, wiring.clock
    public = settings.public_address()
    app.add_middleware(StillAllowed, clock=clock)
    app.add_middleware(SmallBodies)
    app.add_middleware(FitAddresses)
    app.add_middleware(SameOrigin, own_origin=public, note=note)
    app.add_middleware(Failures, tell=tell)
    app.add_middleware(AccessLog, clock=clock)
    headers = security_headers(content_policy=CONTENT_SECURITY_POLICY, hsts=public.startswith("https://"))
    app.add_middleware(SecurityHeaders, headers=headers)
    app.add_middleware(RequestIds)
    hot = hot_endpoints(events)
    delivered = source_door.endpoint(wiring.sources, clock)
    deliveries = Deliveries(source_door.DELIVERED, source_door.TEMPLATE, delivered)

    def front(behind: ASGIApp) -> ASGIApp:
        measured = Measured(behind, wiring.telemetry, clock)
        return HotDoor(
            measured,
            endpoints=hot,
            deliveries=deliveries,
            tell=tell,
            clock=clock,
            telemetry=wiring.telemetry,
            headers=headers,
        )

    app.stand_behind(front)
