"""The pages of the catalogue: the list with its search, and one thing with all that Klaviyo was told of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.catalog.documents import attributes_of
from ferrata.catalog.schemas import KINDS, Kind, Presence, Thing, ThingFilter
from ferrata.catalog.service import Catalog
from ferrata.delivery.schemas import Delivery
from ferrata.infra.http.links import next_url
from ferrata.ui.addresses import address
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/catalogue"
LIST, ONE = "catalog/list.html", "catalog/one.html"
THINGS_ON_A_PAGE = 50
PLURALS: dict[Kind, str] = {"item": "Items", "variant": "Variants", "category": "Categories"}

Reader = Annotated[Principal, Depends(needs(Right.DELIVERY_READ))]
Store = Annotated[str, Depends(store_of)]


class Asked(BaseModel):
    """The filters as people write them; what means nothing filters nothing."""

    q: str = ""
    kind: str = ""
    presence: str = ""

    def filter_for(self, store_id: str) -> ThingFilter:
        kind = next((each for each in KINDS if each == self.kind), None)
        presence = Presence(self.presence) if self.presence in ("present", "deleted") else None
        return ThingFilter(store_id, kind, presence, text=self.q.strip().replace("\0", "")[:255] or None)


def router(pages: Pages, catalog: Catalog) -> APIRouter:
    routes = page_routes()

    @routes.get(PATH, response_model=None)
    async def things(request: Request, asked: Annotated[Asked, Query()], _who: Reader, store_id: Store) -> Response:
        cursor = request.query_params.get("cursor")
        page = await catalog.page(asked.filter_for(store_id), cursor, THINGS_ON_A_PAGE)
        deliveries = await catalog.deliveries(page.rows)
        counts = await catalog.counts(store_id)
        given = {name: value for name, value in asked.model_dump().items() if value}
        return pages.page(
            request,
            LIST,
            rows=[_row(thing, deliveries) for thing in page.rows],
            asked=asked,
            active=len(given),
            kinds=[("", "All"), *((kind, f"{PLURALS[kind]}, {getattr(counts, kind):,}") for kind in KINDS)],
            older_url=next_url(request, page.next_cursor),
            newer_url=address(PATH, given) if cursor else None,
        )

    @routes.get(f"{PATH}/one", response_model=None)
    async def one(request: Request, kind: Kind, id: str, _who: Reader, store_id: Store) -> Response:
        thing = await catalog.get(store_id, kind, id)
        told = await catalog.told(thing)
        variants = await catalog.variants(thing)
        deliveries = await catalog.deliveries(variants)
        return pages.page(
            request,
            ONE,
            thing=thing,
            standing=_standing(thing, {each.id: each for each in told}),
            attributes=attributes_of(thing),
            told=told,
            variants=[_row(each, deliveries) for each in variants],
        )

    return routes


def _row(thing: Thing, deliveries: dict[str, Delivery]) -> dict[str, Any]:
    return {"thing": thing, "standing": _standing(thing, deliveries)}


def _standing(thing: Thing, deliveries: dict[str, Delivery]) -> tuple[str, str | None]:
    """The pages' word for how the newest telling stands, and a note."""
    delivery = deliveries.get(thing.delivery_id or "")
    if delivery is not None:
        return delivery.standing
    if thing.presence is Presence.DELETED:
        return "delivered", "gone with its item"
    return ("accepted", "told long ago") if thing.delivery_id else ("waiting", "for its item")
