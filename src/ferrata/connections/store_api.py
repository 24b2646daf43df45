"""Stores over HTTP: found among hundreds, made, renamed, put away and taken back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from ferrata.access.http import known, needs
from ferrata.access.schemas import Principal, Right
from ferrata.connections.schemas import Status, Store, StoreFilter, StoreOverview, StoreSort
from ferrata.connections.service import Connections
from ferrata.connections.visible import visible_stores
from ferrata.infra.http.links import link_header

Known = Annotated[Principal, Depends(known())]
Reader = Annotated[Principal, Depends(needs(Right.CONNECTIONS_READ))]
Editor = Annotated[Principal, Depends(needs(Right.STORES_EDIT))]
Keeper = Annotated[Principal, Depends(needs(Right.STORES_MANAGE))]


class Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True, extra="forbid")


class StoreDocument(Document):
    id: str = Field(description="Its public id, in addresses and messages. It never changes.")
    name: str
    time_zone: str = Field(description="An IANA name: in which its pages show times.")
    currency: str = Field(description="ISO 4217: what its events mean where they name none.")
    created_at: AwareDatetime
    archived_at: AwareDatetime | None


class ConnectionSummary(Document):
    status: Status
    method: str | None
    account_id: str | None
    account_name: str | None
    detail: str | None
    status_since: AwareDatetime | None
    conversion_metric_name: str | None


class ListedStoreDocument(StoreDocument):
    connection: ConnectionSummary

    @classmethod
    def listed(cls, seen: StoreOverview) -> "ListedStoreDocument":
        store = StoreDocument.model_validate(seen.store).model_dump()
        return cls(**store, connection=ConnectionSummary.model_validate(seen))


class StoresDocument(Document):
    stores: list[ListedStoreDocument]
    next_cursor: str | None


class StoresQuery(Document):
    q: str = Field("", max_length=120, description="Looked for in names and ids of stores and accounts.")
    status: Status | None = None
    archived: bool = False
    sort: StoreSort = Field(StoreSort.NAME, description="`status`: broken connections first. `changed`: the last changed first.")
    cursor: str | None = Field(None, max_length=1000)
    limit: int = Field(50, ge=1, le=200)


class NewStore(Document):
    id: str | None = Field(None, description="1 to 32 letters, digits and hyphens. Default: seven signs made up here.")
    name: str
    time_zone: str = "UTC"
    currency: str = "EUR"


class StoreChange(Document):
    """What is left out stays."""

    name: str | None = None
    time_zone: str | None = None
    currency: str | None = None


class Confirmation(Document):
    confirm: str = Field(description="The store's id once more: it is disconnected and takes nothing in from then on.")


def router(connections: Connections) -> APIRouter:
    routes = APIRouter(tags=["stores"])
    stores = connections.registry

    @routes.get("/stores")
    async def list_stores(
        request: Request, response: Response, asked: Annotated[StoresQuery, Query()], who: Known
    ) -> StoresDocument:
        """Those of your stores that fit, with how each is connected. The next page is in `nextCursor` and `Link`."""
        wanted = StoreFilter(asked.q, asked.status, asked.archived, visible_stores(who), asked.sort)
        page = await stores.page(wanted, asked.cursor, asked.limit)
        response.headers.update(link_header(request, page))
        listed = [ListedStoreDocument.listed(seen) for seen in page.rows]
        return StoresDocument(stores=listed, next_cursor=page.next_cursor)

    @routes.post("/stores", status_code=201, responses={409: {"description": "There is a store with this id already."}})
    async def create(order: NewStore, who: Keeper) -> StoreDocument:
        """Add a store. It accepts events at once, and they wait until it is connected."""
        return _told(
            await stores.create(order.id, order.name, actor=who.actor, time_zone=order.time_zone, currency=order.currency)
        )

    @routes.get("/stores/{store_id}")
    async def show(store_id: str, _who: Reader) -> StoreDocument:
        """One store. An archived one is not found here, but by the list with `archived=true`."""
        return _told(await stores.one(await stores.choose(store_id)))

    @routes.patch("/stores/{store_id}")
    async def change(store_id: str, order: StoreChange, who: Editor) -> StoreDocument:
        """Rename a store, or change its time zone or currency. Nothing that was accepted changes."""
        changed = {"name": order.name, "time_zone": order.time_zone, "currency": order.currency}
        return _told(await stores.change(store_id, actor=who.actor, **changed))

    @routes.post("/stores/{store_id}/archive", responses={409: {"description": "It is the last one in use."}})
    async def archive(store_id: str, order: Confirmation, who: Keeper) -> StoreDocument:
        """Put a store away: it is disconnected, its tokens open nothing, and what it has is kept."""
        archived = await stores.archive(store_id, confirm=order.confirm, actor=who.actor)
        connections.announce(store_id)
        return _told(archived)

    @routes.post("/stores/{archived_id}/restore")
    async def restore(archived_id: str, who: Keeper) -> StoreDocument:
        """Take an archived store into use again. It is to be connected anew; then what waited goes out."""
        return _told(await stores.restore(archived_id, actor=who.actor))

    return routes


def _told(store: Store) -> StoreDocument:
    return StoreDocument.model_validate(store)
