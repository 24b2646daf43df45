"""Alerts over HTTP: what holds and what held, and the channels with their delivery log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from ferrata.access.errors import LacksRight
from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.alerts.documents import (
    AlertDocument,
    AlertsDocument,
    AlertsQuery,
    ChannelDocument,
    ChannelsDocument,
    MadeChannelDocument,
    NewChannelDocument,
    NoticeDocument,
    NoticesDocument,
    PageQuery,
    SecretDocument,
)
from ferrata.alerts.schemas import Channel
from ferrata.alerts.service import Alerts

Reader = Annotated[Principal, Depends(needs(Right.ALERTS_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.ALERTS_MANAGE))]
Store = Annotated[str, Depends(store_of)]
ChannelId = Annotated[str, Path(max_length=64)]


def router(alerts: Alerts) -> APIRouter:
    routes = APIRouter(tags=["alerts"])
    _add_alerts(routes, alerts)
    _add_channels(routes, alerts)
    _add_acts(routes, alerts)
    return routes


def _add_alerts(routes: APIRouter, alerts: Alerts) -> None:
    @routes.get("/alerts")
    async def list_alerts(asked: Annotated[AlertsQuery, Query()], who: Reader, store_id: Store) -> AlertsDocument:
        """What goes on, or what is over. Whoever may see every store sees all, and the installation's own."""
        seen = None if everywhere(who) else store_id
        if asked.state == "open":
            return AlertsDocument(alerts=[AlertDocument.of(incident) for incident in await alerts.open(seen)])
        page = await alerts.past(seen, asked.cursor, asked.limit)
        return AlertsDocument(alerts=[AlertDocument.of(incident) for incident in page.rows], next_cursor=page.next_cursor)


def _add_channels(routes: APIRouter, alerts: Alerts) -> None:
    @routes.get("/alert-channels")
    async def channels(who: Reader, store_id: Store) -> ChannelsDocument:
        """Who is told. Targets are shown in part: they may hold secrets."""
        found = await alerts.channels.seen_from(store_id, everywhere=everywhere(who))
        return ChannelsDocument(channels=[ChannelDocument.of(channel) for channel in found])

    @routes.post("/alert-channels", status_code=201)
    async def add_channel(asked: NewChannelDocument, who: Keeper, store_id: Store) -> MadeChannelDocument:
        """Tell somebody more. A webhook's secret is in this answer and nowhere else."""
        require_everywhere(who, asked.every_store)
        made = await alerts.channels.add(store_id, asked.read(), actor=who.actor)
        return MadeChannelDocument(channel=ChannelDocument.of(made.channel), secret=made.secret)

    @routes.delete("/alert-channels/{channel_id}", status_code=204)
    async def remove_channel(channel_id: ChannelId, who: Keeper, store_id: Store) -> None:
        """Tell nobody there any more."""
        await alerts.channels.remove(await _one(alerts, channel_id, who, store_id), actor=who.actor)


def _add_acts(routes: APIRouter, alerts: Alerts) -> None:
    @routes.post("/alert-channels/{channel_id}/test")
    async def test_channel(channel_id: ChannelId, who: Keeper, store_id: Store) -> NoticeDocument:
        """Send a test now, and answer what came of it: `state` is `sent` or `given_up`, `outcome` says why."""
        channel = await _one(alerts, channel_id, who, store_id)
        return NoticeDocument.of(await alerts.telling.test(channel, actor=who.actor))

    @routes.post("/alert-channels/{channel_id}/rotate")
    async def rotate_secret(channel_id: ChannelId, who: Keeper, store_id: Store) -> SecretDocument:
        """A new secret for a webhook. For two days both sign, so that the other side can change in its own time."""
        channel = await _one(alerts, channel_id, who, store_id)
        return SecretDocument(secret=await alerts.channels.rotate_secret(channel, actor=who.actor))

    @routes.get("/alert-channels/{channel_id}/deliveries")
    async def deliveries(
        channel_id: ChannelId, asked: Annotated[PageQuery, Query()], who: Reader, store_id: Store
    ) -> NoticesDocument:
        """What was sent there and what waits, newest first."""
        channel = await _one(alerts, channel_id, who, store_id)
        page = await alerts.notices(channel.id, asked.cursor, asked.limit)
        return NoticesDocument(deliveries=[NoticeDocument.of(notice) for notice in page.rows], next_cursor=page.next_cursor)


async def _one(alerts: Alerts, channel_id: str, who: Principal, store_id: str) -> Channel:
    return await alerts.channels.one(channel_id, store_id, everywhere=everywhere(who))


def everywhere(who: Principal) -> bool:
    """Whether what they may do holds in every store."""
    return who.store_id is None


def require_everywhere(who: Principal, wanted: bool) -> None:
    """Raises LacksRight."""
    if wanted and not everywhere(who):
        raise LacksRight("Channels for every store need the right alerts:manage in every store.")
