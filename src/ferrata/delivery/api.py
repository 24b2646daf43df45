"""Delivery over HTTP: lanes, and the dead letters with replay and discard."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from starlette.requests import Request

from ferrata.access.errors import OtherStore
from ferrata.access.http import STORE_HEADER, needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.connections.service import Connections
from ferrata.delivery.changes import Act, DeadLetterChanges
from ferrata.delivery.documents import (
    ChangeDocument,
    ChangeOrder,
    DeadGroupDocument,
    DeadGroupsDocument,
    DeadLetterDocument,
    DeadLettersDocument,
    DeadLettersQuery,
    DeadLetterStoryDocument,
    LaneDocument,
    LanesDocument,
    ProbeDocument,
)
from ferrata.delivery.schemas import Family, State
from ferrata.delivery.service import DeliveryService
from ferrata.infra.errors import NotFound
from ferrata.infra.http.links import link_header

Reader = Annotated[Principal, Depends(needs(Right.DELIVERY_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.DELIVERY_MANAGE))]
Store = Annotated[str, Depends(store_of)]


def router(service: DeliveryService, connections: Connections, changes: DeadLetterChanges) -> APIRouter:
    routes = APIRouter(tags=["delivery"])
    _add_lanes(routes, service, connections, changes)
    _add_dead_letters(routes, service)
    _add_changes(routes, changes)
    return routes


def _add_lanes(routes: APIRouter, service: DeliveryService, connections: Connections, changes: DeadLetterChanges) -> None:
    @routes.get("/lanes")
    async def lanes(request: Request, who: Reader) -> LanesDocument:
        """Every lane that may be seen: those of the token's store, or of all stores unless one is named."""
        one_store = who.store_id or request.headers.get(STORE_HEADER) or request.query_params.get("store")
        store_id = await store_of(request) if one_store else None
        return LanesDocument(lanes=[LaneDocument.of(lane) for lane in await service.lanes(store_id)])

    @routes.post("/lanes/{store_id}/{family}/probe", status_code=202)
    async def probe(store_id: str, family: Family, who: Keeper) -> ProbeDocument:
        """Open a parked lane and try at once. Should the cause still be there, it is parked again."""
        if who.store_id not in (None, store_id):
            raise OtherStore(f"This token belongs to the store {who.store_id!r}.")
        store = await connections.store(store_id)
        return ProbeDocument(opened=await changes.probe(store.id, family, who.actor))


def _add_dead_letters(routes: APIRouter, service: DeliveryService) -> None:
    @routes.get("/dead-letters")
    async def dead_letters(
        request: Request, response: Response, asked: Annotated[DeadLettersQuery, Query()], _who: Reader, store_id: Store
    ) -> DeadLettersDocument:
        """Newest first. The next page is in `nextCursor` and in the `Link` header."""
        page = await service.dead_letters(asked.filter_for(store_id), asked.cursor, asked.limit)
        response.headers.update(link_header(request, page))
        letters = [DeadLetterDocument.of(letter) for letter in page.rows]
        return DeadLettersDocument(dead_letters=letters, next_cursor=page.next_cursor)

    @routes.get("/dead-letters/groups")
    async def dead_groups(_who: Reader, store_id: Store) -> DeadGroupsDocument:
        """Grouped by reason, the most frequent first."""
        return DeadGroupsDocument(groups=[DeadGroupDocument.of(group) for group in await service.dead_groups(store_id)])

    @routes.get("/dead-letters/{dead_letter_id}")
    async def dead_letter(dead_letter_id: str, _who: Reader, store_id: Store) -> DeadLetterStoryDocument:
        """One of them, with what was sent and every attempt."""
        story = await service.story(dead_letter_id)
        if story is None or story.delivery.store_id != store_id or story.delivery.state is not State.DEAD:
            raise NotFound("There is no such dead letter; it may have been replayed or discarded meanwhile.")
        return DeadLetterStoryDocument.of(story)


def _add_changes(routes: APIRouter, changes: DeadLetterChanges) -> None:
    async def ordered(act: Act, order: ChangeOrder, who: Principal, store_id: str) -> ChangeDocument:
        filter_ = order.filter_for(store_id)
        done = changes.preview(act, filter_) if order.dry_run else changes.make(act, filter_, who.actor)
        return ChangeDocument.of(await done)

    @routes.post("/dead-letters/replay")
    async def replay(order: ChangeOrder, who: Keeper, store_id: Store) -> ChangeDocument:
        """Put dead letters back into their lane, unchanged. A dry run unless `dryRun` is false."""
        return await ordered("replay", order, who, store_id)

    @routes.post("/dead-letters/discard")
    async def discard(order: ChangeOrder, who: Keeper, store_id: Store) -> ChangeDocument:
        """Give dead letters up for good. A dry run unless `dryRun` is false."""
        return await ordered("discard", order, who, store_id)
