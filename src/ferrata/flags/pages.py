"""The pages of flags: what is sent, a change with its preview, what was held back, and the switch."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.errors import OtherStore
from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.connections.service import Connections
from ferrata.delivery.held import HeldFilter
from ferrata.flags.audience import Audience
from ferrata.flags.documents import request_of
from ferrata.flags.schemas import EVERY_METRIC, Flag, Mode, Rule
from ferrata.flags.service import Flags
from ferrata.infra.errors import Problem, Rejected
from ferrata.kit.clock import Clock
from ferrata.ui.addresses import address, day_begins
from ferrata.ui.figures import count_of
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/flags"
EXAMPLES = 3
Reader = Annotated[Principal, Depends(needs(Right.FLAGS_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.FLAGS_MANAGE))]
Store = Annotated[str, Depends(store_of)]
MODES = (
    (Mode.ON, "On", "Every event of this type is sent."),
    (Mode.PERCENTAGE, "For a share of the profiles", "The same profiles each time; those who are in stay in as the share grows."),
    (Mode.DRY_RUN, "Dry run", "Kept, and shown as it would be sent. Nothing is sent."),
    (Mode.OFF, "Off", "Kept, not sent. It can be sent later."),
)


def router(pages: Pages, flags: Flags, audience: Audience, connections: Connections, clock: Clock) -> APIRouter:
    return FlagPages(pages, flags, audience, connections, clock).router()


@dataclass(frozen=True)
class FlagPages:
    pages: Pages
    flags: Flags
    audience: Audience
    connections: Connections
    clock: Clock

    def router(self) -> APIRouter:
        routes = page_routes()
        for method, path, endpoint in (
            ("GET", PATH, self._list),
            ("GET", f"{PATH}/change", self._ask),
            ("POST", f"{PATH}/change", self._change),
            ("POST", f"{PATH}/clear", self._clear),
            ("GET", f"{PATH}/held", self._held),
            ("POST", f"{PATH}/release", self._release),
            ("POST", f"{PATH}/stop", self._stop),
            ("POST", f"{PATH}/resume", self._resume),
        ):
            routes.add_api_route(path, endpoint, methods=[method], response_model=None)
        return routes

    async def _list(self, request: Request, who: Reader, store_id: Store) -> Response:
        groups = await self.flags.held(store_id)
        held: dict[str, int] = {}
        for group in groups:
            held[group.kind] = held.get(group.kind, 0) + group.count
        every, *single = await self.flags.all(store_id, await self.audience.metrics(store_id))
        return self.pages.page(
            request,
            "flags/list.html",
            every=every,
            flags=single,
            held=held,
            total_held=sum(held.values()),
            stops=await self.flags.stopped(store_id),
            may_manage=who.may(Right.FLAGS_MANAGE),
            may_stop_all=who.may(Right.FLAGS_MANAGE) and who.store_id is None,
            told=told,
        )

    async def _ask(
        self,
        request: Request,
        _who: Keeper,
        store_id: Store,
        metric: Annotated[str, Query(max_length=127)],
        mode: Mode | None = None,
        percentage: Annotated[int | None, Query(ge=0, le=100)] = None,
    ) -> Response:
        """The question before a change: which mode, and whom it would concern."""
        now = next(flag for flag in await self.flags.all(store_id, [metric]) if flag.metric == metric)
        asked = mode or now.rule.mode
        share = percentage if percentage is not None else now.rule.percentage if asked is Mode.PERCENTAGE else 10
        of = None if metric == EVERY_METRIC else metric
        persons = await self.audience.persons(store_id, (self.clock.now() - timedelta(days=1)).date(), of)
        return self.pages.page(
            request,
            "flags/change.html",
            flag=now,
            name=name_of(metric),
            asked=asked,
            percentage=share,
            preview=self.flags.share(store_id, persons, {Mode.ON: 100, Mode.PERCENTAGE: share}.get(asked, 0)),
            modes=MODES,
            told=told,
        )

    async def _change(
        self,
        who: Keeper,
        store_id: Store,
        metric: Annotated[str, Form()],
        mode: Annotated[Mode, Form()],
        percentage: Annotated[int | None, Form()] = None,
    ) -> Response:
        before = next(flag for flag in await self.flags.all(store_id, [metric]) if flag.metric == metric)
        share = percentage if mode is Mode.PERCENTAGE else None
        flag = await self.flags.set(store_id, metric, mode, share, actor=who.actor)
        undo = address(f"{PATH}/change", {"metric": metric, **_asked(before.rule)})
        return redirect_saying(PATH, Flash(f"{name_of(metric)}: {told(flag)}. This holds from now on.", undo_url=undo))

    async def _clear(self, who: Keeper, store_id: Store, metric: Annotated[str, Form()]) -> Response:
        before = next(flag for flag in await self.flags.all(store_id, [metric]) if flag.metric == metric)
        flag = await self.flags.clear(store_id, metric, actor=who.actor)
        undo = address(f"{PATH}/change", {"metric": metric, **_asked(before.rule)})
        said = f"{name_of(metric)} has no flag of its own any more: {told(flag)}."
        return redirect_saying(PATH, Flash(said, undo_url=undo))

    async def _held(
        self,
        request: Request,
        who: Reader,
        store_id: Store,
        metric: Annotated[str, Query(max_length=127)] = "",
        since: Annotated[str, Query(max_length=40)] = "",
    ) -> Response:
        wanted = HeldFilter(store_id, metric or None, (), day_begins("since", since, self.pages.zone(request)))
        may_read = who.may(Right.EVENTS_READ)
        examples = await self.flags.would_send(store_id, metric or None, EXAMPLES) if may_read else []
        return self.pages.page(
            request,
            "flags/held.html",
            metric=metric,
            since=since,
            groups=[group for group in await self.flags.held(store_id) if metric in ("", group.kind)],
            count=await self.flags.count_held(wanted),
            examples=[(example, request_of(example)) for example in examples],
            stops=await self.flags.stopped(store_id),
            may_manage=who.may(Right.FLAGS_MANAGE),
        )

    async def _release(
        self,
        request: Request,
        who: Keeper,
        store_id: Store,
        metric: Annotated[str, Form()] = "",
        since: Annotated[str, Form()] = "",
    ) -> Response:
        wanted = HeldFilter(store_id, metric or None, (), day_begins("since", since, self.pages.zone(request)))
        count = await self.flags.release(wanted, actor=who.actor)
        said = f"{count_of(count, 'event')} put into the lane." if count else "Nothing was held back that fits."
        return redirect_saying(PATH, Flash(said, "delivered" if count else "neutral"))

    async def _stop(
        self, who: Keeper, store_id: Store, scope: Annotated[str, Form()] = "store", reason: Annotated[str, Form()] = ""
    ) -> Response:
        everything = _is_everything(scope, who)
        await self.flags.stop(None if everything else store_id, reason, actor=who.actor)
        of = "for every store" if everything else "for this store"
        return redirect_saying(PATH, Flash(f"Sending is stopped {of}. What comes in is kept, and waits.", "parked"))

    async def _resume(self, who: Keeper, store_id: Store, scope: Annotated[str, Form()] = "store") -> Response:
        everything = _is_everything(scope, who)
        stores = [store.id for store in await self.connections.stores()] if everything else [store_id]
        await self.flags.resume(None if everything else store_id, stores, actor=who.actor)
        return redirect_saying(PATH, Flash("Sending goes on from where it was."))


def told(flag: Flag) -> str:
    """A flag in words."""
    rule = flag.rule
    return {
        Mode.ON: "on",
        Mode.OFF: "off",
        Mode.PERCENTAGE: f"on for {rule.percentage} % of the profiles",
        Mode.DRY_RUN: "dry run",
    }[rule.mode]


def name_of(metric: str) -> str:
    return "Every other event" if metric == EVERY_METRIC else metric


def _asked(rule: Rule) -> dict[str, Any]:
    return {"mode": rule.mode.value, "percentage": rule.percentage if rule.mode is Mode.PERCENTAGE else None}


def _is_everything(scope: str, who: Principal) -> bool:
    if scope not in ("store", "everything"):
        raise Rejected(problems=(Problem("scope", "scope must be store or everything"),))
    if scope == "everything" and who.store_id is not None:
        raise OtherStore("This concerns every store, and your right is for one.")
    return scope == "everything"
