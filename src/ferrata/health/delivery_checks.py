"""Checks of delivery: whether what is accepted moves on to Klaviyo, and whether somebody should look after it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ferrata.connections.service import Connections
from ferrata.delivery.schemas import Lane
from ferrata.delivery.service import DeliveryService
from ferrata.health.schemas import Check, Level
from ferrata.kit.clock import Clock

LATE_AFTER = timedelta(minutes=5)
DEAD_LETTERS_NEW_FOR = timedelta(days=1)
FULL_SHARE = 0.8
NOT_CONNECTED = "not_connected"


class DeliveryChecks:
    """``alarm_at``: so many waiting events are worth a word. ``longest_queue``: with so many, accepting ends."""

    def __init__(
        self, delivery: DeliveryService, connections: Connections, clock: Clock, *, alarm_at: int, longest_queue: int
    ) -> None:
        self._delivery = delivery
        self._connections = connections
        self._clock = clock
        self._alarm_at = alarm_at
        self._longest_queue = longest_queue

    async def lanes(self) -> list[Check]:
        """``delivery.lag`` and ``delivery.parked``, from one look at the lanes."""
        lanes, now = await self._delivery.busy_lanes(), self._clock.now()
        return [_lag(lanes, now), _parked(lanes, now)]

    async def dead_letters(self) -> Check:
        """Events that Klaviyo refuses are somebody's work; that is said for a day after the last one."""
        since = self._clock.now() - DEAD_LETTERS_NEW_FOR
        stores: dict[str, str] = {}
        total, new = 0, False
        for store_id in await self._delivery.stores_with_dead():
            groups = await self._delivery.dead_groups(store_id)
            if count := sum(group.count for group in groups):
                stores[store_id] = f"{count} dead letters: " + "; ".join(
                    f"{each.reason_code} {each.count}" for each in groups[:5]
                )
                total += count
                new = new or any(group.last_at > since for group in groups)
        level = Level.DEGRADED if new else Level.HEALTHY
        return Check("delivery.dead_letters", level, f"{total} dead letters wait for a decision.", stores=stores)

    async def backlog(self) -> Check:
        """How much waits, against what may wait."""
        waiting = await self._delivery.waiting_total()
        if waiting >= self._longest_queue:
            return Check("delivery.backlog", Level.DOWN, f"{waiting:,} events wait: as many as may. Nothing more is accepted.")
        if waiting >= min(self._alarm_at, FULL_SHARE * self._longest_queue):
            return Check("delivery.backlog", Level.DEGRADED, f"{waiting:,} events wait, of at most {self._longest_queue:,}.")
        return Check("delivery.backlog", Level.HEALTHY, f"{waiting:,} events wait.")


def _lag(lanes: Sequence[Lane], now: datetime) -> Check:
    late = {}
    for lane in lanes:
        # History may take its time, and a lane without a connection is told by klaviyo.key_valid.
        if lane.waiting_live and lane.oldest_at and now - lane.oldest_at > LATE_AFTER and lane.parked_code != NOT_CONNECTED:
            minutes = int((now - lane.oldest_at).total_seconds() // 60)
            late[lane.store_id] = f"{lane.waiting_live} live ones wait in {lane.label}, the oldest for {minutes} min."
    if late:
        return Check(
            "delivery.lag", Level.DEGRADED, f"Live events wait for more than 5 minutes in {len(late)} stores.", stores=late
        )
    return Check("delivery.lag", Level.HEALTHY, "No live event waits for long.")


def _parked(lanes: Sequence[Lane], now: datetime) -> Check:
    parked = {
        lane.store_id: f"{lane.label} is parked ({lane.parked_code}): {lane.parked_detail}"
        for lane in lanes
        if lane.parked_code and lane.parked_code != NOT_CONNECTED
    }
    if parked:
        which = "1 lane is" if len(parked) == 1 else f"{len(parked)} lanes are"
        summary = f"{which} parked: nothing is lost, and nothing is delivered there."
        return Check("delivery.parked", Level.DEGRADED, summary, stores=parked)
    return Check("delivery.parked", Level.HEALTHY, "No lane is parked.")
