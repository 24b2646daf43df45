"""Flags over HTTP, and the switch that stops sending."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from ferrata.access.errors import OtherStore
from ferrata.access.http import needs
from ferrata.access.schemas import Principal, Right
from ferrata.connections.service import Connections
from ferrata.flags.audience import Audience
from ferrata.flags.documents import (
    FlagDocument,
    FlagOrder,
    FlagsDocument,
    HeldDocument,
    HeldEventDocument,
    HeldGroupDocument,
    ReleasedDocument,
    ReleaseOrder,
    ShareDocument,
    StopDocument,
    StopOrder,
    SwitchedDocument,
)
from ferrata.flags.service import Flags
from ferrata.kit.clock import Clock

Reader = Annotated[Principal, Depends(needs(Right.FLAGS_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.FLAGS_MANAGE))]
StoreId = Annotated[str, Path(alias="storePublicId")]
MetricQuery = Annotated[str | None, Query(max_length=127)]
STORE = "/api/store/{storePublicId}/flags"


def router(flags: Flags, audience: Audience, connections: Connections, clock: Clock) -> APIRouter:
    routes = APIRouter(tags=["flags"])
    _add_flags(routes, flags, audience, clock)
    _add_switches(routes, flags, connections)
    _add_held(routes, flags)
    return routes


def _add_flags(routes: APIRouter, flags: Flags, audience: Audience, clock: Clock) -> None:
    @routes.get(STORE)
    async def show(store_id: StoreId, _who: Reader) -> FlagsDocument:
        """What holds for every metric of the store, and whether sending is stopped."""
        found = await flags.all(store_id, await audience.metrics(store_id))
        stopped = [StopDocument.of(stop) for stop in await flags.stopped(store_id)]
        return FlagsDocument(flags=[FlagDocument.of(flag) for flag in found], stopped=stopped)

    @routes.put(STORE)
    async def put(store_id: StoreId, order: FlagOrder, who: Keeper) -> FlagDocument:
        """Set the flag of a metric: `on`, `off`, `percentage` (of the profiles) or `dry_run` (kept and shown, not sent)."""
        return FlagDocument.of(await flags.set(store_id, order.metric, order.mode, order.percentage, actor=who.actor))

    @routes.delete(STORE)
    async def clear(store_id: StoreId, metric: Annotated[str, Query(min_length=1, max_length=127)], who: Keeper) -> FlagDocument:
        """Take a flag away; answers what holds instead."""
        return FlagDocument.of(await flags.clear(store_id, metric, actor=who.actor))

    @routes.get(STORE + "/preview")
    async def preview(
        store_id: StoreId, _who: Reader, percentage: Annotated[int, Query(ge=0, le=100)], metric: MetricQuery = None
    ) -> ShareDocument:
        """How many of the profiles that had an event yesterday (UTC), of this metric or of any, a percentage would take."""
        yesterday = (clock.now() - timedelta(days=1)).date()
        persons = await audience.persons(store_id, yesterday, metric)
        return ShareDocument.of(flags.share(store_id, persons, percentage))


def _add_switches(routes: APIRouter, flags: Flags, connections: Connections) -> None:
    @routes.post(STORE + "/stop")
    async def stop(store_id: StoreId, order: StopOrder, who: Keeper) -> SwitchedDocument:
        """Stop sending for this store. What comes in is accepted and kept, and waits."""
        return SwitchedDocument(stopped=True, changed=await flags.stop(store_id, order.reason, actor=who.actor))

    @routes.post(STORE + "/resume")
    async def resume(store_id: StoreId, who: Keeper) -> SwitchedDocument:
        """Let this store's sending go on, from where it was."""
        changed = await flags.resume(store_id, actor=who.actor)
        return SwitchedDocument(stopped=bool(await flags.stopped(store_id)), changed=changed)

    @routes.post("/api/flags/stop")
    async def stop_everything(order: StopOrder, who: Keeper) -> SwitchedDocument:
        """Stop sending for every store. For those whose right is not bound to a store."""
        _for_all(who)
        return SwitchedDocument(stopped=True, changed=await flags.stop(None, order.reason, actor=who.actor))

    @routes.post("/api/flags/resume")
    async def resume_everything(who: Keeper) -> SwitchedDocument:
        """Let sending go on for every store, except those that are stopped for themselves."""
        _for_all(who)
        stores = [store.id for store in await connections.stores()]
        return SwitchedDocument(stopped=False, changed=await flags.resume(None, stores, actor=who.actor))


def _add_held(routes: APIRouter, flags: Flags) -> None:
    @routes.get(STORE + "/held")
    async def held(
        store_id: StoreId, who: Reader, metric: MetricQuery = None, limit: Annotated[int, Query(ge=0, le=100)] = 5
    ) -> HeldDocument:
        """What was held back, counted by metric and reason; for those who may read events, the newest as it would be sent."""
        newest = await flags.would_send(store_id, metric, limit) if who.may(Right.EVENTS_READ) else []
        groups = [group for group in await flags.held(store_id) if metric in (None, group.kind)]
        return HeldDocument(
            groups=[HeldGroupDocument.of(group) for group in groups],
            newest=[HeldEventDocument.of(example) for example in newest],
        )

    @routes.post(STORE + "/release")
    async def release(store_id: StoreId, order: ReleaseOrder, who: Keeper) -> ReleasedDocument:
        """Send what was held back. A dry run unless `dryRun` is false."""
        wanted = order.filter_for(store_id)
        count = await (flags.count_held(wanted) if order.dry_run else flags.release(wanted, actor=who.actor))
        return ReleasedDocument(dry_run=order.dry_run, count=count)


def _for_all(who: Principal) -> None:
    if who.store_id is not None:
        raise OtherStore("This stops or starts every store, and your right is for one.")
