"""The pages of the carts: those in flight, with filters, and one cart's whole story."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.carts.schemas import CartFilter, CartRecord, State
from ferrata.carts.service import Carts
from ferrata.infra.http.links import next_url
from ferrata.kit.clock import Clock
from ferrata.ui.addresses import address
from ferrata.ui.live import live_response, ticks
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/carts"
LIST, STORY = "carts/list.html", "carts/story.html"
CARTS_ON_A_PAGE = 50
LIVE_SECONDS = 2.0
SHAPES = {State.OPEN: "sending", State.ABANDONED: "parked", State.ORDERED: "delivered"}
"""Which of the kit's shapes goes with which state of a cart; the word is the cart's own."""
STEPS = {"abandoned": "parked", "purchase": "delivered", "ordered": "delivered", "remove": "discarded", "clear": "discarded"}
WORDS = {
    "items": "Put in",
    "update": "Changed",
    "remove": "Taken out",
    "clear": "Emptied",
    "checkout": "Checkout",
    "purchase": "Bought",
    "person": "Person",
    "abandoned": "Abandoned",
    "ordered": "Bought",
}

Reader = Annotated[Principal, Depends(needs(Right.EVENTS_READ))]
Store = Annotated[str, Depends(store_of)]


def router(pages: Pages, carts: Carts, clock: Clock, closing: asyncio.Event) -> APIRouter:
    return CartPages(pages, carts, clock, closing).router()


@dataclass(frozen=True)
class CartPages:
    pages: Pages
    carts: Carts
    clock: Clock
    closing: asyncio.Event

    def router(self) -> APIRouter:
        routes = page_routes()
        for path, endpoint in (
            (PATH, self._list),
            (f"{PATH}/live", self._live),
            (f"{PATH}/of/{{cart_id:path}}", self._story),
        ):
            routes.add_api_route(path, endpoint, methods=["GET"], response_model=None)
        return routes

    async def _list(self, request: Request, who: Reader, store_id: Store) -> Response:
        given = _given(request)
        cursor = request.query_params.get("cursor")
        values = await self._values(request, who, store_id)
        return self.pages.page(
            request,
            LIST,
            live=None if cursor else address(f"{PATH}/live", given, persons=request.query_params.get("persons")),
            persons_url=address(PATH, given, cursor=cursor, persons="shown"),
            may_see_persons=who.may(Right.PROFILES_READ),
            **values,
        )

    async def _live(self, request: Request, who: Reader, store_id: Store) -> Response:
        async def fragments() -> dict[str, str]:
            values = await self._values(request, who, store_id)
            return {name: self.pages.block_text(LIST, name, request=request, **values) for name in ("carts_now", "carts_list")}

        return live_response(fragments, ticks(self.clock, LIVE_SECONDS, self.closing), self.clock)

    async def _values(self, request: Request, who: Principal, store_id: str) -> dict[str, Any]:
        given = _given(request)
        state = given.get("state")
        asked = CartFilter(
            state=State(state) if state in set(State) else None,
            text=given.get("q", ""),
            known={"yes": True, "no": False}.get(given.get("known", "")),
        )
        page = await self.carts.page(store_id, asked, request.query_params.get("cursor"), CARTS_ON_A_PAGE)
        counts = await self.carts.counts(store_id)
        settings = await self.carts.settings(store_id)
        return {
            "carts": page.rows,
            "asked": {"q": "", "state": "", "known": "", **given},
            "active": len(given),
            "counts": {state: counts.get(state, 0) for state in State},
            "silence": timedelta(minutes=settings.silence_minutes),
            "shapes": SHAPES,
            "older_url": next_url(request, page.next_cursor),
            "newer_url": address(PATH, given) if request.query_params.get("cursor") else None,
            "base_url": str(request.base_url),
            "address_of": address_of,
            "persons_shown": request.query_params.get("persons") == "shown" and who.may(Right.PROFILES_READ),
        }

    async def _story(self, request: Request, cart_id: str, who: Reader, store_id: Store) -> Response:
        told = await self.carts.cart(store_id, cart_id)
        return self.pages.page(
            request,
            STORY,
            cart=told.cart,
            shapes=SHAPES,
            steps=STEPS,
            words=WORDS,
            recovery_url=told.recovery_url,
            story=[*reversed(await self.carts.story(store_id, cart_id))],
            persons_shown=request.query_params.get("persons") == "shown" and who.may(Right.PROFILES_READ),
            persons_url=f"{address_of(told.cart)}?persons=shown",
            may_see_persons=who.may(Right.PROFILES_READ),
        )


def address_of(cart: CartRecord) -> str:
    """Where the story of this cart is."""
    return f"{PATH}/of/{quote(cart.cart_id, safe='')}"


def _given(request: Request) -> dict[str, str]:
    names = ("q", "state", "known")
    return {name: value for name in names if (value := request.query_params.get(name, "").strip()[:320])}
