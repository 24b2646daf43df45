"""The overview: is everything kept, is it moving, and if not, what is to be done."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.dashboard import charts
from ferrata.dashboard.guide import Guide
from ferrata.dashboard.service import Dashboard
from ferrata.dashboard.snapshot import HealthReport
from ferrata.infra.errors import NotFound
from ferrata.kit.clock import Clock
from ferrata.ui.live import live_response, ticks
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui"
TEMPLATE = "dashboard/overview.html"
LIVE_SECONDS = 1.0
# Blocks of the template that are elements of the same name, each sent anew when it changes.
LIVE_BLOCKS = ("answer", "tiles", "elsewhere", "throughput", "rates", "ages", "latest", "letters", "checks")

Reader = Annotated[Principal, Depends(needs(Right.DELIVERY_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.DELIVERY_MANAGE))]
Store = Annotated[str, Depends(store_of)]
Health = Callable[[], Awaitable[HealthReport]]


def router(
    pages: Pages,
    dashboard: Dashboard,
    *,
    clock: Clock,
    closing: asyncio.Event,
    guide: Guide | None = None,
    health: Health | None = None,
) -> APIRouter:
    """``guide`` is there in the demo only; ``health`` tells how everything fares."""
    return OverviewPages(pages, dashboard, clock, closing, guide, health).router()


@dataclass(frozen=True)
class OverviewPages:
    pages: Pages
    dashboard: Dashboard
    clock: Clock
    closing: asyncio.Event
    guide: Guide | None
    health: Health | None

    def router(self) -> APIRouter:
        routes = page_routes()
        routes.add_api_route(PATH, self._overview, methods=["GET"], response_model=None)
        routes.add_api_route(f"{PATH}/live", self._live, methods=["GET"], response_model=None)
        routes.add_api_route(f"{PATH}/guide/{{act}}", self._act, methods=["POST"], response_model=None)
        return routes

    async def _overview(self, request: Request, who: Reader, store_id: Store) -> Response:
        values = await self._values(request, who, store_id)
        return self.pages.page(request, TEMPLATE, live=f"{PATH}/live", **values)

    async def _live(self, request: Request, who: Reader, store_id: Store) -> Response:
        blocks = (*LIVE_BLOCKS, "guide") if self._guide_for(store_id) else LIVE_BLOCKS

        async def fragments() -> dict[str, str]:
            values = await self._values(request, who, store_id)
            return {name: self.pages.block_text(TEMPLATE, name, request=request, **values) for name in blocks}

        return live_response(fragments, ticks(self.clock, LIVE_SECONDS, self.closing), self.clock)

    async def _act(self, act: str, _who: Keeper, store_id: Store) -> Response:
        guide = self._guide_for(store_id)
        match act:
            case "break" if guide:
                await guide.break_key()
            case "mend" if guide:
                await guide.mend_key()
            case _:
                raise NotFound
        return RedirectResponse(PATH, status_code=303)

    def _guide_for(self, store_id: str) -> Guide | None:
        return self.guide if self.guide and self.guide.store_id == store_id else None

    async def _values(self, request: Request, who: Principal, store_id: str) -> dict[str, Any]:
        zone = self.pages.zone(request)
        snapshot = await self.dashboard.snapshot(store_id, zone)
        guide = self._guide_for(store_id)
        return {
            "snapshot": snapshot,
            "throughput": charts.throughput(snapshot, zone),
            "ages": list(zip(charts.age_labels(snapshot.ages), snapshot.ages, strict=True)),
            "latest": self.dashboard.latest(snapshot, self.pages.currency(request)),
            "elsewhere": await self.dashboard.parked_elsewhere(store_id) if who.store_id is None else [],
            "checks": (await self.health()).checks if self.health and who.may(Right.HEALTH_READ) else [],
            "may_manage": who.may(Right.DELIVERY_MANAGE),
            "may_connect": who.may(Right.CONNECTIONS_MANAGE),
            "base_url": str(request.base_url),
            "steps": await guide.steps(snapshot) if guide else [],
            "curl": guide.curl(str(request.base_url)) if guide else None,
            "sent_id": await guide.sent_id() if guide else None,
        }
