"""The page of a source's history: what can be read, what is being read, and how far it has come."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.infra.errors import Rejected
from ferrata.kit.clock import Clock
from ferrata.sources.pages import PATH, tabs
from ferrata.sources.service import MOVES, Sources
from ferrata.ui.addresses import day_begins, day_ends
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.live import live_response, ticks
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

TEMPLATE = "sources/history.html"
LIVE_SECONDS = 1.0
RUNS_SHOWN = 30

Reader = Annotated[Principal, Depends(needs(Right.SOURCES_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.SOURCES_MANAGE))]
Store = Annotated[str, Depends(store_of)]
Kind = Annotated[str, Path(max_length=32)]
_SAID = {"pause": "paused after its present page", "resume": "going on from where it stood", "cancel": "cancelled"}


def router(pages: Pages, sources: Sources, clock: Clock, closing: asyncio.Event) -> APIRouter:
    return HistoryPages(pages, sources, clock, closing).router()


@dataclass(frozen=True)
class HistoryPages:
    pages: Pages
    sources: Sources
    clock: Clock
    closing: asyncio.Event

    def router(self) -> APIRouter:
        routes = page_routes()
        for path, endpoint, method in (
            (f"{PATH}/{{kind}}/history", self._history, "GET"),
            (f"{PATH}/{{kind}}/history/live", self._live, "GET"),
            (f"{PATH}/{{kind}}/history", self._begin, "POST"),
            (f"{PATH}/{{kind}}/history/{{run_id}}/{{move}}", self._move, "POST"),
        ):
            routes.add_api_route(path, endpoint, methods=[method], response_model=None)
        return routes

    async def _history(self, request: Request, kind: Kind, who: Reader, store_id: Store) -> Response:
        return await self._shown(request, kind, who, store_id)

    async def _shown(
        self, request: Request, kind: str, who: Principal, store_id: str, errors: dict[str, str] | None = None
    ) -> Response:
        values = await self._values(kind, who, store_id)
        live = f"{PATH}/{kind}/history/live"
        asked = {"backfill": "", "since": "", "until": ""}
        if errors:
            asked |= {name: str(value) for name, value in (await request.form()).items()}
        return self.pages.page(
            request, TEMPLATE, live=live, errors=errors or {}, asked=asked, status_code=422 if errors else 200, **values
        )

    async def _live(self, request: Request, kind: Kind, who: Reader, store_id: Store) -> Response:
        async def fragments() -> dict[str, str]:
            values = await self._values(kind, who, store_id)
            return {"runs": self.pages.block_text(TEMPLATE, "runs", request=request, **values)}

        return live_response(fragments, ticks(self.clock, LIVE_SECONDS, self.closing), self.clock)

    async def _values(self, kind: str, who: Principal, store_id: str) -> dict[str, Any]:
        source = self.sources.configurations.source(kind)
        page = await self.sources.backfills(store_id, kind, limit=RUNS_SHOWN)
        return {
            "kind": kind,
            "title": source.title,
            "tabs": tabs(kind, who),
            "backfills": source.backfills,
            "titles": {each.name: each.title for each in source.backfills},
            "is_set_up": await self.sources.configurations.find(store_id, kind) is not None,
            "runs": page.rows,
            "may_manage": who.may(Right.SOURCES_MANAGE),
        }

    async def _begin(self, request: Request, kind: Kind, who: Keeper, store_id: Store) -> Response:
        form = await request.form()
        zone = self.pages.zone(request)
        try:
            await self.sources.begin_backfill(
                store_id,
                kind,
                str(form.get("backfill", "")),
                since=day_begins("since", str(form.get("since", "")), zone),
                until=day_ends("until", str(form.get("until", "")), zone),
                actor=who.actor,
            )
        except Rejected as error:
            problems = {problem.path: problem.message for problem in error.problems} or {"backfill": error.message}
            return await self._shown(request, kind, who, store_id, problems)
        said = "History is being read. It starts no flows in Klaviyo, and what is live goes first."
        return redirect_saying(f"{PATH}/{kind}/history", Flash(said))

    async def _move(self, kind: Kind, run_id: str, move: str, who: Keeper, store_id: Store) -> Response:
        if move not in MOVES:
            raise Rejected(f"A run cannot be told to {move}.")
        await self.sources.move_backfill(store_id, run_id, move, who.actor)
        return redirect_saying(f"{PATH}/{kind}/history", Flash(f"The run is {_SAID[move]}.", "neutral"))
