"""The pages of sources: all of them at a glance, one with its messages, one message's story, and mapping again."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.infra.http.links import next_url
from ferrata.kit.clock import Clock
from ferrata.sources.message_view import view
from ferrata.sources.schemas import State, Wanted
from ferrata.sources.service import Sources
from ferrata.ui.addresses import address
from ferrata.ui.figures import count_of
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.live import live_response, ticks
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/sources"
LIST, SOURCE, MESSAGE, REPLAY = "sources/list.html", "sources/source.html", "sources/message.html", "sources/replay.html"
MESSAGES_ON_A_PAGE = 50
LAST_MESSAGES = 8
LIVE_SECONDS = 2.0

Reader = Annotated[Principal, Depends(needs(Right.SOURCES_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.SOURCES_MANAGE))]
Store = Annotated[str, Depends(store_of)]
Kind = Annotated[str, Path(max_length=32)]
Id = Annotated[str, Path(max_length=36)]


def tabs(kind: str, who: Principal) -> list[tuple[str, str, int | None]]:
    """The pages of one source that ``who`` may open, for the tabs on each of them."""
    explain = [(f"{PATH}/{kind}/explain", "Explain", None)] if who.may(Right.SOURCES_MANAGE) else []
    return [
        (f"{PATH}/{kind}", "Messages", None),
        (f"{PATH}/{kind}/history", "History", None),
        *explain,
        (f"{PATH}/{kind}/settings", "Settings", None),
    ]


def router(pages: Pages, sources: Sources, clock: Clock, closing: asyncio.Event) -> APIRouter:
    return SourcePages(pages, sources, clock, closing).router()


@dataclass(frozen=True)
class SourcePages:
    pages: Pages
    sources: Sources
    clock: Clock
    closing: asyncio.Event

    def router(self) -> APIRouter:
        routes = page_routes()
        for path, endpoint, method in (
            (PATH, self._list, "GET"),
            (f"{PATH}/live", self._list_live, "GET"),
            (f"{PATH}/{{kind}}", self._source, "GET"),
            (f"{PATH}/{{kind}}/live", self._source_live, "GET"),
            (f"{PATH}/{{kind}}/replay", self._ask, "GET"),
            (f"{PATH}/{{kind}}/replay", self._replay, "POST"),
            (f"{PATH}/{{kind}}/discard", self._discard, "POST"),
            (f"{PATH}/{{kind}}/messages/{{message_id}}", self._message, "GET"),
            (f"{PATH}/{{kind}}/messages/{{message_id}}/live", self._message_live, "GET"),
        ):
            routes.add_api_route(path, endpoint, methods=[method], response_model=None)
        return routes

    # All of them

    async def _list(self, request: Request, who: Reader, store_id: Store) -> Response:
        return self.pages.page(request, LIST, live=f"{PATH}/live", **await self._values(who, store_id))

    async def _list_live(self, request: Request, who: Reader, store_id: Store) -> Response:
        async def fragments() -> dict[str, str]:
            values = await self._values(who, store_id)
            return {"sources": self.pages.block_text(LIST, "sources", request=request, **values)}

        return live_response(fragments, ticks(self.clock, LIVE_SECONDS, self.closing), self.clock)

    async def _values(self, who: Principal, store_id: str) -> dict[str, Any]:
        runs = [run for run in (await self.sources.backfills(store_id, limit=20)).rows if run.finished_at is None]
        last = await self.sources.messages(Wanted(store_id=store_id), None, LAST_MESSAGES)
        return {
            "standings": await self.sources.standings(store_id),
            "runs": runs,
            "last": last.rows,
            "may_manage": who.may(Right.SOURCES_MANAGE),
        }

    # One of them

    async def _source(self, request: Request, kind: Kind, who: Reader, store_id: Store) -> Response:
        given = {"state": request.query_params.get("state", "")}
        cursor = request.query_params.get("cursor")
        values = await self._source_values(request, kind, who, store_id)
        return self.pages.page(
            request,
            SOURCE,
            live=None if cursor else address(f"{PATH}/{kind}/live", given),
            newer_url=address(f"{PATH}/{kind}", given) if cursor else None,
            base_url=str(request.base_url).rstrip("/"),
            store_id=store_id,
            **values,
        )

    async def _source_live(self, request: Request, kind: Kind, who: Reader, store_id: Store) -> Response:
        async def fragments() -> dict[str, str]:
            values = await self._source_values(request, kind, who, store_id)
            return {
                "standing": self.pages.block_text(SOURCE, "standing", request=request, **values),
                "messages": self.pages.block_text(SOURCE, "messages", request=request, newer_url=None, **values),
            }

        return live_response(fragments, ticks(self.clock, LIVE_SECONDS, self.closing), self.clock)

    async def _source_values(self, request: Request, kind: str, who: Principal, store_id: str) -> dict[str, Any]:
        standing = await self.sources.standing(store_id, kind)
        named = request.query_params.get("state", "")
        state = next((each for each in State if each.value == named), None)
        wanted = Wanted(store_id=store_id, kind=kind, states=(state,) if state else ())
        page = await self.sources.messages(wanted, request.query_params.get("cursor"), MESSAGES_ON_A_PAGE)
        return {
            "standing": standing,
            "tabs": tabs(kind, who),
            "kind": kind,
            "rows": page.rows,
            "state": state.value if state else "",
            "states": [("", "All"), *((each.value, each.value.capitalize()) for each in State)],
            "older_url": next_url(request, page.next_cursor),
            "may_manage": who.may(Right.SOURCES_MANAGE),
        }

    # One message

    async def _message(self, request: Request, kind: Kind, message_id: Id, who: Reader, store_id: Store) -> Response:
        values = await self._message_values(kind, message_id, who, store_id)
        return self.pages.page(request, MESSAGE, live=f"{PATH}/{kind}/messages/{message_id}/live", **values)

    async def _message_live(self, request: Request, kind: Kind, message_id: Id, who: Reader, store_id: Store) -> Response:
        async def fragments() -> dict[str, str]:
            values = await self._message_values(kind, message_id, who, store_id)
            return {"story": self.pages.block_text(MESSAGE, "story", request=request, **values)}

        return live_response(fragments, ticks(self.clock, LIVE_SECONDS, self.closing), self.clock)

    async def _message_values(self, kind: str, message_id: str, who: Principal, store_id: str) -> dict[str, Any]:
        kept = await self.sources.message(store_id, kind, message_id)
        return {
            "kind": kind,
            "kept": kept,
            "view": view(kept, await self.sources.deliveries(kept)),
            "title": self.sources.configurations.source(kind).title,
            "may_manage": who.may(Right.SOURCES_MANAGE),
        }

    # Mapping again

    async def _ask(self, request: Request, kind: Kind, _who: Keeper, store_id: Store) -> Response:
        """What would come of it. Nothing has been changed yet."""
        wanted, conditions = _wanted(request.query_params, store_id, kind)
        return self.pages.page(
            request,
            REPLAY,
            kind=kind,
            look=await self.sources.replaying.look(wanted),
            conditions=conditions,
            title=self.sources.configurations.source(kind).title,
        )

    async def _replay(self, request: Request, kind: Kind, who: Keeper, store_id: Store) -> Response:
        wanted, _ = _wanted(await request.form(), store_id, kind)
        done = await self.sources.replaying.again(wanted, who.actor)
        said = f"{count_of(done.count, 'message')} will be mapped again, in their order."
        return redirect_saying(f"{PATH}/{kind}", Flash(said, "delivered" if done.count else "neutral"))

    async def _discard(self, request: Request, kind: Kind, who: Keeper, store_id: Store) -> Response:
        wanted, _ = _wanted(await request.form(), store_id, kind)
        if not wanted.ids:
            return RedirectResponse(f"{PATH}/{kind}", 303)
        count = await self.sources.replaying.discard(wanted, who.actor)
        return redirect_saying(f"{PATH}/{kind}", Flash(f"{count_of(count, 'refused message')} given up for good.", "neutral"))


def _wanted(given: Any, store_id: str, kind: str) -> tuple[Wanted, list[tuple[str, str]]]:
    """Which messages a form or an address names, and the same as pairs for the next form."""
    ids = tuple(str(each) for each in given.getlist("ids") if str(each))[:1000]
    states = tuple(state for state in State if state.value in given.getlist("state") and state is not State.WAITING)
    states = () if ids else states or (State.REFUSED,)
    pairs = [*(("ids", each) for each in ids), *(("state", state.value) for state in states)]
    return Wanted(store_id=store_id, kind=kind, ids=ids, states=states), pairs
