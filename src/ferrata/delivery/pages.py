"""The page of the lanes: a row per store and endpoint family, and what a parked one needs."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.errors import OtherStore
from ferrata.access.http import needs
from ferrata.access.schemas import Principal, Right
from ferrata.connections.service import Connections
from ferrata.delivery.changes import DeadLetterChanges
from ferrata.delivery.lane_view import STANDINGS, LaneView, order, view
from ferrata.delivery.schemas import Family
from ferrata.delivery.service import DeliveryService
from ferrata.kit.clock import Clock
from ferrata.ui.addresses import address
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.live import live_response, ticks
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/lanes"
TEMPLATE = "delivery/lanes.html"
LANES_ON_A_PAGE = 50
LIVE_SECONDS = 1.0

Reader = Annotated[Principal, Depends(needs(Right.DELIVERY_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.DELIVERY_MANAGE))]


def router(
    pages: Pages,
    service: DeliveryService,
    changes: DeadLetterChanges,
    connections: Connections,
    *,
    clock: Clock,
    closing: asyncio.Event,
) -> APIRouter:
    return LanePages(pages, service, changes, connections, clock=clock, closing=closing).router()


class LanePages:
    def __init__(
        self,
        pages: Pages,
        service: DeliveryService,
        changes: DeadLetterChanges,
        connections: Connections,
        *,
        clock: Clock,
        closing: asyncio.Event,
    ) -> None:
        self._changes = changes
        self._service = service
        self._connections = connections
        self._pages = pages
        self._clock = clock
        self._closing = closing

    def router(self) -> APIRouter:
        routes = page_routes()
        routes.add_api_route(PATH, self._lanes, methods=["GET"], response_model=None)
        routes.add_api_route(f"{PATH}/live", self._live, methods=["GET"], response_model=None)
        routes.add_api_route(f"{PATH}/{{store_id}}/{{family}}/probe", self._probe, methods=["POST"], response_model=None)
        return routes

    async def _lanes(self, request: Request, who: Reader) -> Response:
        live = address(f"{PATH}/live", request.query_params)
        return self._pages.page(request, TEMPLATE, live=live, **await self._values(request, who))

    async def _live(self, request: Request, who: Reader) -> Response:
        async def fragments() -> dict[str, str]:
            values = await self._values(request, who)
            return {"lanes": self._pages.block_text(TEMPLATE, "lanes", request=request, **values)}

        return live_response(fragments, ticks(self._clock, LIVE_SECONDS, self._closing), self._clock)

    async def _probe(self, store_id: str, family: Family, who: Keeper) -> Response:
        if who.store_id not in (None, store_id):
            raise OtherStore(f"You work for the store {who.store_id!r}.")
        store = await self._connections.store(store_id)
        opened = await self._changes.probe(store.id, family, who.actor)
        said = (
            f"The lane of {store.name} was opened and tries now. If the cause is still there, it parks again; nothing is lost."
            if opened
            else f"The lane of {store.name} was open already."
        )
        return redirect_saying(PATH, Flash(said, "neutral"))

    async def _values(self, request: Request, who: Principal) -> dict[str, Any]:
        """The lanes that are asked for, from ``after`` on; there are few, so they are put in order here."""
        q, standing = request.query_params.get("q", "").strip(), request.query_params.get("state", "")
        every = await self._views(who)
        found = [each for each in every if _is_asked_for(each, q, standing)]
        names = [each.id for each in found]
        after = request.query_params.get("after", "")
        start = names.index(after) + 1 if after in names else 0
        shown = found[start : start + LANES_ON_A_PAGE]
        filters = {"q": q, "state": standing}
        more = start + LANES_ON_A_PAGE < len(found)
        return {
            "lanes": shown,
            "total": len(every),
            "found": len(found),
            "counts": {name: sum(each.standing == name for each in every) for name in STANDINGS},
            "q": q,
            "standing": standing,
            "active": sum(map(bool, filters.values())),
            "older_url": address(PATH, filters, after=shown[-1].id) if more else None,
            "newer_url": address(PATH, filters) if start else None,
            "may_manage": who.may(Right.DELIVERY_MANAGE),
            "may_connect": who.may(Right.CONNECTIONS_MANAGE),
        }

    async def _views(self, who: Principal) -> list[LaneView]:
        names = {store.id: store.name for store in await self._connections.stores() if who.store_id in (None, store.id)}
        now = self._clock.now()
        lanes = await self._service.lanes(who.store_id)
        return order(view(lane, names[lane.store_id], now) for lane in lanes if lane.store_id in names)


def _is_asked_for(lane: LaneView, q: str, standing: str) -> bool:
    return q.casefold() in lane.store_name.casefold() and standing in ("", lane.standing)
