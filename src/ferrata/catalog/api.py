"""The catalogue over HTTP: what the shop has, as Ferrata knows it, and how Klaviyo was told."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from starlette.requests import Request

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.catalog.documents import Asked, DeliveryDocument, ThingDocument, ThingsDocument, ThingStoryDocument
from ferrata.catalog.schemas import Kind
from ferrata.catalog.service import Catalog
from ferrata.infra.http.links import link_header

Reader = Annotated[Principal, Depends(needs(Right.DELIVERY_READ))]
Store = Annotated[str, Depends(store_of)]
ExternalId = Annotated[str, Query(alias="externalId", min_length=1, max_length=255, description="The shop's own id of it.")]


def router(catalog: Catalog) -> APIRouter:
    routes = APIRouter(tags=["catalog"])

    @routes.get("/catalog")
    async def things(
        request: Request, response: Response, asked: Annotated[Asked, Query()], _who: Reader, store_id: Store
    ) -> ThingsDocument:
        """What changed last first. The next page is in `nextCursor` and in the `Link` header."""
        page = await catalog.page(asked.filter_for(store_id), asked.cursor, asked.limit)
        deliveries = await catalog.deliveries(page.rows)
        response.headers.update(link_header(request, page))
        found = [ThingDocument.of(thing, deliveries.get(thing.delivery_id or "")) for thing in page.rows]
        return ThingsDocument(things=found, next_cursor=page.next_cursor)

    @routes.get("/catalog/{kind}")
    async def thing(kind: Kind, external_id: ExternalId, _who: Reader, store_id: Store) -> ThingStoryDocument:
        """One thing with every telling of it, newest first."""
        found = await catalog.get(store_id, kind, external_id)
        told = await catalog.told(found)
        newest = next((each for each in told if each.id == found.delivery_id), None)
        return ThingStoryDocument(thing=ThingDocument.of(found, newest), deliveries=[DeliveryDocument.of(each) for each in told])

    return routes
