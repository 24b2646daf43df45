"""Alerts as people see them: what needs them now, what did before, and who is told."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.alerts.api import everywhere, require_everywhere
from ferrata.alerts.schemas import KINDS, Made, NewChannel, State, Way
from ferrata.alerts.service import Alerts
from ferrata.connections.service import Connections
from ferrata.infra.errors import FerrataError
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

ALERTS = "/ui/alerts"
CHANNELS = ALERTS + "/channels"
ROWS = 50
_Reading = Annotated[Principal, Depends(needs(Right.ALERTS_READ))]
_Managing = Annotated[Principal, Depends(needs(Right.ALERTS_MANAGE))]
_Cursor = Annotated[str | None, Query(max_length=500)]


def router(pages: Pages, alerts: Alerts, connections: Connections) -> APIRouter:
    routes = page_routes()
    _add_alerts(routes, pages, alerts, connections)
    _add_channels(routes, pages, alerts)
    _add_channel(routes, pages, alerts)
    return routes


def _add_alerts(routes: APIRouter, pages: Pages, alerts: Alerts, connections: Connections) -> None:
    @routes.get(ALERTS)
    async def show(request: Request, who: _Reading, cursor: _Cursor = None) -> Response:
        seen = None if everywhere(who) else await store_of(request)
        past = await alerts.past(seen, cursor, ROWS)
        values: dict[str, Any] = {
            "open": await alerts.open(seen),
            "past": past,
            "names": {store.id: store.name for store in await connections.stores()},
            "told": len(await alerts.channels.seen_from(await store_of(request), everywhere=everywhere(who))),
            "cursor": cursor,
        }
        return pages.page(request, "alerts/list.html", **values)


def _add_channels(routes: APIRouter, pages: Pages, alerts: Alerts) -> None:
    async def page(
        request: Request,
        who: Principal,
        status_code: int = 200,
        *,
        made: Made | None = None,
        errors: Mapping[str, str] = MappingProxyType({}),
        given: Mapping[str, object] = MappingProxyType({}),
    ) -> Response:
        values: dict[str, Any] = {
            "channels": await alerts.channels.seen_from(await store_of(request), everywhere=everywhere(who)),
            "may_manage": who.may(Right.ALERTS_MANAGE),
            "everywhere": everywhere(who),
            "kinds": KINDS,
            "made": made,
            "errors": errors,
            "given": given,
        }
        return pages.page(request, "alerts/channels.html", status_code=status_code, **values)

    @routes.get(CHANNELS)
    async def channels(request: Request, who: _Reading) -> Response:
        return await page(request, who)

    @routes.post(CHANNELS)
    async def add(
        request: Request,
        who: _Managing,
        *,
        way: Annotated[Way, Form()] = Way.WEBHOOK,
        name: Annotated[str, Form()] = "",
        target: Annotated[str, Form()] = "",
        kinds: Annotated[list[str] | None, Form()] = None,
        every_store: Annotated[bool, Form()] = False,
    ) -> Response:
        """Answers with the page itself: the secret is on it and nowhere else."""
        require_everywhere(who, every_store)
        asked = NewChannel(way, name, target, tuple(kinds or ()), every_store)
        try:
            made = await alerts.channels.add(await store_of(request), asked, actor=who.actor)
        except FerrataError as error:
            errors = {problem.path: problem.message for problem in error.problems} or {"target": error.message}
            given = {"way": way.value, "name": name, "target": target, "kinds": kinds or [], "every_store": every_store}
            return await page(request, who, error.status, errors=errors, given=given)
        return await page(request, who, made=made)


def _add_channel(routes: APIRouter, pages: Pages, alerts: Alerts) -> None:
    one = CHANNELS + "/{channel_id}"

    async def page(request: Request, who: Principal, channel_id: str, cursor: str | None, secret: str | None = None) -> Response:
        channel = await alerts.channels.one(channel_id, await store_of(request), everywhere=everywhere(who))
        values: dict[str, Any] = {
            "channel": channel,
            "notices": await alerts.notices(channel.id, cursor, ROWS),
            "may_manage": who.may(Right.ALERTS_MANAGE),
            "kinds": KINDS,
            "secret": secret,
            "cursor": cursor,
        }
        return pages.page(request, "alerts/channel.html", **values)

    @routes.get(one)
    async def show(request: Request, channel_id: str, who: _Reading, cursor: _Cursor = None) -> Response:
        return await page(request, who, channel_id, cursor)

    @routes.post(one + "/test")
    async def test(request: Request, channel_id: str, who: _Managing) -> Response:
        channel = await alerts.channels.one(channel_id, await store_of(request), everywhere=everywhere(who))
        notice = await alerts.telling.test(channel, actor=who.actor)
        address = f"{CHANNELS}/{channel.id}"
        if notice.state is State.SENT:
            return redirect_saying(address, Flash(f"The test arrived. {notice.outcome}"))
        return redirect_saying(address, Flash(f"The test did not arrive. {notice.outcome}", "dead"))

    @routes.post(one + "/rotate")
    async def rotate(request: Request, channel_id: str, who: _Managing) -> Response:
        """Answers with the page itself: the secret is on it and nowhere else."""
        channel = await alerts.channels.one(channel_id, await store_of(request), everywhere=everywhere(who))
        secret = await alerts.channels.rotate_secret(channel, actor=who.actor)
        return await page(request, who, channel_id, None, secret)

    @routes.get(one + "/remove")
    async def ask_to_remove(request: Request, channel_id: str, who: _Managing) -> Response:
        channel = await alerts.channels.one(channel_id, await store_of(request), everywhere=everywhere(who))
        return pages.page(
            request,
            "access/confirm.html",
            heading=f"Remove {channel.name}?",
            happens=f"{channel.hint} is told nothing any more, and what waits to be sent there is dropped.",
            action=request.url.path,
            verb="Remove this channel",
            back=f"{CHANNELS}/{channel.id}",
        )

    @routes.post(one + "/remove")
    async def remove(request: Request, channel_id: str, who: _Managing) -> Response:
        channel = await alerts.channels.one(channel_id, await store_of(request), everywhere=everywhere(who))
        await alerts.channels.remove(channel, actor=who.actor)
        return redirect_saying(CHANNELS, Flash(f"{channel.name} is told nothing any more."))
