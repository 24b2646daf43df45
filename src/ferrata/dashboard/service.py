"""Gathers what the overview shows. One look serves all who read at that moment, however many pages stand open."""

import asyncio
from datetime import datetime, timedelta, tzinfo

from ferrata.connections.schemas import Store
from ferrata.connections.service import Connections
from ferrata.dashboard.snapshot import Snapshot
from ferrata.delivery.schemas import Filter, Lane
from ferrata.delivery.service import DeliveryService
from ferrata.events.schemas import EventFilter, EventRow
from ferrata.events.service import Events
from ferrata.kit.clock import Clock

LOOK_EVERY_SECONDS = 1.0
LOOK_ELSEWHERE_EVERY_SECONDS = 10.0
COUNTED_PER_SECOND = 200_000  # counting what waits costs more the more there is: then looks are rarer
LATEST_EVENTS = 8
LATEST_LETTERS = 5


class Dashboard:
    def __init__(self, events: Events, delivery: DeliveryService, connections: Connections, clock: Clock) -> None:
        self._events = events
        self._delivery = delivery
        self._connections = connections
        self._clock = clock
        self._elsewhere: tuple[float, list[tuple[Store, Lane]]] = (float("-inf"), [])
        self._looks: dict[str, tuple[float, Snapshot]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def snapshot(self, store_id: str, zone: tzinfo) -> Snapshot:
        """How the store stands, at most a second ago. ``zone`` says when its day began."""
        async with self._locks.setdefault(store_id, asyncio.Lock()):
            good_until, found = self._looks.get(store_id, (float("-inf"), None))
            if found is None or self._clock.monotonic() >= good_until:
                found = await self._look(store_id, zone)
                rest = LOOK_EVERY_SECONDS * (1 + found.waiting / COUNTED_PER_SECOND)
                self._looks[store_id] = (self._clock.monotonic() + rest, found)
            return found

    async def parked_elsewhere(self, store_id: str) -> list[tuple[Store, Lane]]:
        """Lanes of the other stores that need somebody, at most ten seconds ago."""
        good_until, found = self._elsewhere
        if self._clock.monotonic() >= good_until:
            stores = {store.id: store for store in await self._connections.stores()}
            lanes = await self._delivery.busy_lanes() if len(stores) > 1 else []
            found = [(stores[lane.store_id], lane) for lane in lanes if lane.parked_code and lane.store_id in stores]
            self._elsewhere = (self._clock.monotonic() + LOOK_ELSEWHERE_EVERY_SECONDS, found)
        return [(store, lane) for store, lane in found if store.id != store_id]

    def latest(self, snapshot: Snapshot, currency: str) -> list[EventRow]:
        """The last events, as lists show them."""
        return self._events.listed(snapshot.latest, snapshot.lanes, currency)

    async def _look(self, store_id: str, zone: tzinfo) -> Snapshot:
        now = self._clock.now()
        this_minute = now.replace(second=0, microsecond=0)
        hour_ago = this_minute - timedelta(hours=1)
        midnight = _midnight(now, zone)
        accepted = await self._events.minutes(store_id, min(hour_ago, midnight))
        latest = await self._events.explorer.page(store_id, EventFilter(), None, LATEST_EVENTS)
        letters = await self._delivery.dead_letters(Filter(store_id), None, LATEST_LETTERS)
        groups = await self._delivery.dead_groups(store_id) if letters.rows else []
        return Snapshot(
            at=now,
            today=sum(minute.accepted for minute in accepted if minute.minute >= midnight),
            accepted=[minute for minute in accepted if minute.minute >= hour_ago],
            delivered=await self._delivery.minutes(store_id, hour_ago),
            lanes=await self._delivery.lanes(store_id),
            ages=await self._delivery.waiting_ages(store_id),
            dead=sum(group.count for group in groups),
            groups=groups,
            letters=letters.rows,
            latest=latest.rows,
        )


def _midnight(now: datetime, zone: tzinfo) -> datetime:
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
