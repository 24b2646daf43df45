"""Carts over HTTP: what a shop tells of them, how they stand, and the links that bring them back."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Response
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse

from ferrata.access.http import needs, public, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.carts.documents import (
    ActBody,
    ActsBody,
    CartDocument,
    CartsDocument,
    CartsQuery,
    CartStoryDocument,
    ContentsDocument,
    EntryDocument,
    SettingsDocument,
    ToldDocument,
)
from ferrata.carts.schemas import Act, CartFilter, CartRecord, Recovery, Settings
from ferrata.carts.service import Carts
from ferrata.infra.errors import FerrataError
from ferrata.infra.errors import Recovery as Remedy
from ferrata.infra.http.links import link_header
from ferrata.kit.clock import Clock

Writer = Annotated[Principal, Depends(needs(Right.EVENTS_WRITE))]
Reader = Annotated[Principal, Depends(needs(Right.EVENTS_READ))]
SourceReader = Annotated[Principal, Depends(needs(Right.SOURCES_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.SOURCES_MANAGE))]
Store = Annotated[str, Depends(store_of)]
_ACTS = {
    Act.ITEMS: "Items were put into a cart.",
    Act.UPDATE: "These are all of a cart's items now.",
    Act.REMOVE: "A line was taken out of a cart.",
    Act.CLEAR: "Everything was taken out of a cart.",
    Act.CHECKOUT: "Somebody went to the checkout with a cart.",
    Act.PURCHASE: "A cart was bought. No event comes of it: the order tells of itself.",
    Act.PERSON: "It became known whose a cart is; what was held back for them is sent.",
}


def router(carts: Carts, clock: Clock) -> APIRouter:
    routes = APIRouter(tags=["carts"])
    _add_acts(routes, carts, clock)
    _add_reading(routes, carts)
    _add_settings(routes, carts)
    _add_recovery(routes, carts)
    return routes


def _add_acts(routes: APIRouter, carts: Carts, clock: Clock) -> None:
    @routes.post("/carts/acts")
    async def tell_many(body: ActsBody, _who: Writer, store_id: Store) -> list[dict[str, object]]:
        """Acts of any carts, in their order. Each is answered for itself: with its `id`, or with why it was not taken."""
        answers: list[dict[str, object]] = []
        for index, one in enumerate(body.acts):
            try:
                told = await carts.tell(store_id, one.act(one.act_name, one.cart_id, clock.now(), f"acts.{index}."))
            except FerrataError as error:
                if error.recovery is not Remedy.REJECT:
                    raise  # those before it are kept; sent again they change nothing
                answers.append(
                    {"statusCode": error.status, "message": [each.message for each in error.problems] or error.message}
                )
            else:
                answers.append({"id": one.act_id, "repeated": told.repeated})
        return answers

    for act, what in _ACTS.items():
        _add_act(routes, carts, clock, act, what)


def _add_act(routes: APIRouter, carts: Carts, clock: Clock, act: Act, what: str) -> None:
    async def tell(cart_id: str, body: ActBody, _who: Writer, store_id: Store) -> ToldDocument:
        return ToldDocument.of_told(await carts.tell(store_id, body.act(act, cart_id, clock.now())))

    tell.__doc__ = f"{what} A 200 means that it is on disk, with the events that come of it; the first act makes the cart."
    routes.add_api_route(f"/carts/{{cart_id}}/{act.value}", tell, methods=["POST"], name=f"cart_{act.value}")


def _add_reading(routes: APIRouter, carts: Carts) -> None:
    @routes.get("/carts")
    async def listed(
        request: Request,
        response: Response,
        _who: Reader,
        store_id: Store,
        asked: Annotated[CartsQuery, Query()],
    ) -> CartsDocument:
        """Carts in flight, the last touched first."""
        filter_ = CartFilter(state=asked.state, text=asked.q, known=asked.known)
        page = await carts.page(store_id, filter_, asked.cursor, asked.limit)
        response.headers.update(link_header(request, page))
        return CartsDocument(carts=[CartDocument.of(cart) for cart in page.rows], next_cursor=page.next_cursor)

    @routes.get("/carts/{cart_id}")
    async def one(cart_id: str, _who: Reader, store_id: Store) -> CartStoryDocument:
        """A cart with its story, the newest first."""
        told = await carts.cart(store_id, cart_id)
        story = [EntryDocument.of(entry) for entry in await carts.story(store_id, cart_id)]
        return CartStoryDocument(**CartDocument.of(told.cart).model_dump(), recovery_url=told.recovery_url, story=story)


def _add_settings(routes: APIRouter, carts: Carts) -> None:
    @routes.get("/cart-settings")
    async def settings(_who: SourceReader, store_id: Store) -> SettingsDocument:
        """How the store wants its carts."""
        return SettingsDocument.of(await carts.settings(store_id))

    @routes.put("/cart-settings")
    async def change(body: SettingsDocument, who: Keeper, store_id: Store) -> SettingsDocument:
        """Set all of them; what is not named takes its default. For everything that happens from now on."""
        return SettingsDocument.of(await carts.change_settings(store_id, body.settings(), who.actor))


def _add_recovery(routes: APIRouter, carts: Carts) -> None:
    @routes.get(
        "/carts/recover/{token}",
        dependencies=[Depends(public)],
        response_model=ContentsDocument,
        responses={
            302: {"description": "To the cart in the shop."},
            404: {"description": "This link leads to no cart."},
            410: {"description": "This link has expired."},
            503: {"description": "Not possible at the moment."},
        },
    )
    async def recover(token: str) -> Response:
        """The way back to a cart, out of a message. The link is signed and ends; there is nothing about the person in it."""
        cart, settings = await carts.recover(token)
        address = address_in_shop(cart, settings)
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
        if settings.recovery is Recovery.REDIRECT and address:
            return RedirectResponse(address, 302, headers)
        return JSONResponse(ContentsDocument.of(cart).model_dump(mode="json", by_alias=True), headers=headers)


def address_in_shop(cart: CartRecord, settings: Settings) -> str | None:
    """Where the shop has this cart: what it told itself, or the store's address with the cart's id in it."""
    if cart.url:
        return cart.url
    return settings.shop_url.replace("{cart_id}", quote(cart.cart_id, safe="")) if settings.shop_url else None
