"""The stores of this installation as pages: found among hundreds with how each is connected, added, changed, put away."""

from functools import partial
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import known, needs
from ferrata.access.schemas import Principal, Right
from ferrata.connections.schemas import Status, StoreFilter, StoreSort
from ferrata.connections.service import Connections
from ferrata.connections.store_checks import time_zones
from ferrata.connections.visible import visible_stores
from ferrata.infra.errors import FerrataError, Rejected
from ferrata.infra.http.links import next_url
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

STORES = "/ui/stores"
NEW = STORES + "/new"
ONE = STORES + "/{store_id}"
WORDS = {
    Status.CONNECTED: "Connected",
    Status.ERROR: "Refused",
    Status.DISCONNECTED: "Ended at Klaviyo",
    Status.NOT_CONFIGURED: "Not connected",
}
ARCHIVED = "archived"
ORDERS = ((StoreSort.NAME.value, "By name"), (StoreSort.STATUS.value, "Broken first"), (StoreSort.CHANGED.value, "Last changed"))
_Known = Annotated[Principal, Depends(known())]
_Reading = Annotated[Principal, Depends(needs(Right.CONNECTIONS_READ))]
_Editing = Annotated[Principal, Depends(needs(Right.STORES_EDIT))]
_Keeping = Annotated[Principal, Depends(needs(Right.STORES_MANAGE))]


def router(pages: Pages, connections: Connections) -> APIRouter:
    routes = page_routes()
    _add_list(routes, pages, connections)
    _add_new(routes, pages, connections)
    _add_settings(routes, pages, connections)
    _add_archiving(routes, pages, connections)
    return routes


def _add_list(routes: APIRouter, pages: Pages, connections: Connections) -> None:
    @routes.get(STORES)
    async def list_stores(
        request: Request, who: _Known, *, q: str = "", status: str = "", sort: str = "", cursor: str | None = None
    ) -> Response:
        ids, order = visible_stores(who), StoreSort(sort) if sort in set(StoreSort) else StoreSort.NAME
        wanted = StoreFilter(q[:120], _status(status), status == ARCHIVED, ids, order)
        page = await connections.registry.page(wanted, cursor)
        return pages.page(
            request,
            "connections/stores.html",
            found=page.rows,
            counts=await connections.registry.counts(ids),
            words=WORDS,
            q=q,
            status=status,
            sort=order.value,
            orders=ORDERS,
            active=bool(q) + bool(status),
            narrowed=partial(_narrowed, q, order),
            first_url=_narrowed(q, order, status) if cursor else None,
            older_url=next_url(request, page.next_cursor),
            may_add=who.may(Right.STORES_MANAGE),
        )


def _add_new(routes: APIRouter, pages: Pages, connections: Connections) -> None:
    def form(request: Request, values: dict[str, str], error: FerrataError | None = None) -> Response:
        status_code = error.status if error else 200
        context = _form(values, error)
        return pages.page(request, "connections/store_new.html", status_code=status_code, **context)

    @routes.get(NEW)
    async def ask(request: Request, _who: _Keeping) -> Response:
        return form(request, {"id": "", "name": "", "timeZone": "UTC", "currency": "EUR"})

    @routes.post(NEW)
    async def create(
        request: Request,
        who: _Keeping,
        *,
        id: Annotated[str, Form()] = "",
        name: Annotated[str, Form()] = "",
        timeZone: Annotated[str, Form()] = "UTC",  # noqa: N803 - the field's name
        currency: Annotated[str, Form()] = "EUR",
    ) -> Response:
        asked = {"time_zone": timeZone.strip(), "currency": currency.strip().upper()}
        try:
            store = await connections.registry.create(id.strip() or None, name, actor=who.actor, **asked)
        except Rejected as error:
            return form(request, {"id": id, "name": name, "timeZone": timeZone, "currency": currency}, error)
        said = f"{store.name} is there and takes events already. Connect it, and they go on their way."
        return redirect_saying(f"{STORES}/{quote(store.id)}/connect", Flash(said))


def _add_settings(routes: APIRouter, pages: Pages, connections: Connections) -> None:
    async def form(
        request: Request, who: Principal, store_id: str, given: dict[str, str] | None = None, error: FerrataError | None = None
    ) -> Response:
        store = await connections.store(store_id)
        values = given or {"name": store.name, "timeZone": store.time_zone, "currency": store.currency}
        context = _form(values, error) | {
            "store": store,
            "may_edit": who.may(Right.STORES_EDIT),
            "may_archive": who.may(Right.STORES_MANAGE),
        }
        status_code = error.status if error else 200
        return pages.page(request, "connections/store_settings.html", status_code=status_code, **context)

    @routes.get(ONE + "/settings")
    async def show(request: Request, store_id: str, who: _Reading) -> Response:
        return await form(request, who, store_id, None, None)

    @routes.post(ONE + "/settings")
    async def change(
        request: Request,
        store_id: str,
        who: _Editing,
        *,
        name: Annotated[str, Form()] = "",
        timeZone: Annotated[str, Form()] = "",  # noqa: N803 - the field's name
        currency: Annotated[str, Form()] = "",
    ) -> Response:
        asked = {"name": name, "time_zone": timeZone.strip(), "currency": currency.strip().upper()}
        try:
            await connections.registry.change(store_id, actor=who.actor, **asked)
        except Rejected as error:
            return await form(request, who, store_id, {"name": name, "timeZone": timeZone, "currency": currency}, error)
        return redirect_saying(f"{STORES}/{quote(store_id)}/settings", Flash("Saved."))


def _add_archiving(routes: APIRouter, pages: Pages, connections: Connections) -> None:
    async def question(request: Request, store_id: str, error: FerrataError | None = None) -> Response:
        return pages.page(
            request,
            "connections/store_archive.html",
            status_code=error.status if error else 200,
            store=await connections.store(store_id),
            connection=await connections.connection(store_id),
            error=error.problems[0].message if error and error.problems else error,
        )

    @routes.get(ONE + "/archive")
    async def ask(request: Request, store_id: str, _who: _Keeping) -> Response:
        return await question(request, store_id)

    @routes.post(ONE + "/archive")
    async def archive(request: Request, store_id: str, who: _Keeping, confirm: Annotated[str, Form()] = "") -> Response:
        try:
            store = await connections.registry.archive(store_id, confirm=confirm, actor=who.actor)
        except Rejected as error:
            return await question(request, store_id, error)
        connections.announce(store_id)
        return redirect_saying(STORES, Flash(f"{store.name} is archived. What it has is kept; it can be restored."))

    @routes.post(STORES + "/{archived_id}/restore")
    async def restore(archived_id: str, who: _Keeping) -> Response:
        store = await connections.registry.restore(archived_id, actor=who.actor)
        said = f"{store.name} is in use again. Connect it, and what waited goes on its way."
        return redirect_saying(f"{STORES}/{quote(store.id)}/connect", Flash(said))


def _narrowed(text: str, sort: StoreSort, status: str) -> str:
    """The list with this status, and what else was asked for."""
    asked = {"q": text, "status": status, "sort": "" if sort is StoreSort.NAME else sort.value}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{STORES}?{query}" if query else STORES


def _status(name: str) -> Status | None:
    return Status(name) if name in set(Status) else None


def _form(values: dict[str, str], error: FerrataError | None) -> dict[str, object]:
    problems = {problem.path: problem.message for problem in error.problems} if error else {}
    zones = [(zone, zone) for zone in time_zones()]
    return {"values": values, "errors": problems or ({"id": error.message} if error else {}), "zones": zones}
