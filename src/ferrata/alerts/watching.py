"""Looks at how everything fares, and says which conditions hold. What is looked at is gathered first; the rules are pure."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection as Transaction

from ferrata.connections.schemas import Connection, Store
from ferrata.connections.service import Connections
from ferrata.delivery.schemas import DeadGroup, Lane
from ferrata.delivery.service import DeliveryService
from ferrata.infra.incidents import Condition, Severity, clear_alert, open_incidents, raise_alert
from ferrata.infra.log_masking import mask_text

BROKEN, PARKED, STALLED = "connection.broken", "lane.parked", "delivery.stalled"
DEAD, QUEUE, DISK = "delivery.dead_letters", "queue.filling", "disk.filling"
WATCHED = (BROKEN, PARKED, STALLED, DEAD, QUEUE, DISK)
KEY_REFUSED = "key_refused"
ON_PURPOSE = ("not_connected", "stopped")
"""Not connected yet, or stopped by somebody: worth a word only if events wait there for long."""
NEW_FOR = timedelta(days=1)
QUEUE_SHARE = 0.8
LITTLE_SPACE_BYTES, LITTLE_SPACE_SHARE = 2_000_000_000, 0.05


@dataclass(frozen=True, slots=True)
class Seen:
    """How everything fares at one moment. ``disk``: bytes in all and bytes free."""

    now: datetime
    stores: Mapping[str, Store]
    connections: Mapping[str, Connection]
    lanes: Sequence[Lane]
    dead: Mapping[str, Sequence[DeadGroup]] = field(default_factory=dict)
    waiting: int = 0
    longest_queue: int = 1
    disk: tuple[int, int] | None = None
    stalled_after: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Told:
    summary: str
    detail: str
    severity: Severity


def conditions(seen: Seen) -> dict[Condition, Told]:
    """What holds now. One cause is one condition: a lane that waits for a broken connection is not told beside it."""
    return {**_broken(seen), **_lanes(seen), **_dead(seen), **_places(seen)}


def endings(condition: Condition, name: str) -> str:
    """What is said when it is over."""
    return {
        BROKEN: f"Klaviyo accepts the connection of {name} again, or it was removed.",
        PARKED: f"The lane {condition.subject} of {name} moves again.",
        STALLED: f"Events of {name} are delivered again, or none waits any more.",
        DEAD: f"No dead letter of {name} is new any more: they were replayed or discarded, or none came for a day.",
        QUEUE: "The queue has room again.",
        DISK: "The disk has room again.",
    }.get(condition.kind, "")


def _broken(seen: Seen) -> dict[Condition, Told]:
    found = {}
    for store_id, connection in seen.connections.items():
        if connection.status.is_broken and store_id in seen.stores:
            name = seen.stores[store_id].name
            waiting = sum(lane.waiting + lane.sending for lane in seen.lanes if lane.store_id == store_id)
            detail = f"{connection.detail or 'Klaviyo refuses it.'} {_deliveries(waiting)}; none is lost."
            found[Condition(BROKEN, store_id)] = Told(
                f"Klaviyo does not accept the connection of {name} any more", detail, "critical"
            )
    return found


def _lanes(seen: Seen) -> dict[Condition, Told]:
    found = {}
    for lane in seen.lanes:
        store = seen.stores.get(lane.store_id)
        if store is None:
            continue
        broken = seen.connections[lane.store_id].status.is_broken
        waiting = lane.waiting + lane.sending
        if lane.parked_code and lane.parked_code not in ON_PURPOSE:
            if not (broken and lane.parked_code == KEY_REFUSED):
                detail = f"{lane.parked_detail or ''} {_deliveries(waiting)}; none is lost.".strip()
                condition = Condition(PARKED, lane.store_id, lane.family)
                summary = f"The lane {lane.family} of {store.name} is parked: {lane.parked_code.replace('_', ' ')}"
                found[condition] = Told(summary, detail, "critical")
        elif not broken and _is_stalled(lane, seen):
            minutes = int(seen.stalled_after.total_seconds() // 60)
            summary = f"Nothing of {store.name} was delivered for {minutes} minutes although {_deliveries(waiting)}"
            why = lane.parked_detail or lane.paused_reason or "Look at the lanes, and whether a worker runs."
            found[Condition(STALLED, lane.store_id, lane.family)] = Told(summary, why, "critical")
    return found


def _deliveries(count: int) -> str:
    return "1 delivery waits" if count == 1 else f"{count:,} deliveries wait"


def _is_stalled(lane: Lane, seen: Seen) -> bool:
    """Live events wait for long, and nothing has left for as long."""
    since = seen.now - seen.stalled_after
    live = lane.waiting_live + lane.sending
    return bool(
        live and lane.oldest_at and lane.oldest_at < since and (lane.last_success_at is None or lane.last_success_at < since)
    )


def _dead(seen: Seen) -> dict[Condition, Told]:
    found = {}
    for store_id, groups in seen.dead.items():
        if store_id in seen.stores and any(group.last_at > seen.now - NEW_FOR for group in groups):
            lines = [f"{group.count:,} x {group.reason_code}: {group.example_detail or ''}".strip() for group in groups[:10]]
            summary = f"Klaviyo refused events of {seen.stores[store_id].name}: they lie as dead letters"
            found[Condition(DEAD, store_id)] = Told(summary, mask_text("\n".join(lines)), "warning")
    return found


def _places(seen: Seen) -> dict[Condition, Told]:
    found = {}
    if seen.waiting >= QUEUE_SHARE * seen.longest_queue:
        summary = f"At least {seen.waiting:,} of at most {seen.longest_queue:,} events wait"
        detail = "When the queue is full, accepting answers 503. See FERRATA_MAX_WAITING_EVENTS."
        found[Condition(QUEUE)] = Told(summary, detail, "critical")
    if seen.disk:
        total, free = seen.disk
        if free < min(LITTLE_SPACE_BYTES, LITTLE_SPACE_SHARE * total):
            summary = f"The disk is nearly full: {free / 1e9:.1f} GB of {total / 1e9:.1f} GB are free"
            found[Condition(DISK)] = Told(summary, "When it is full, accepting answers 503. Free some space.", "critical")
    return found


def reconcile(
    transaction: Transaction, found: Mapping[Condition, Told], names: Mapping[str, str], now: datetime
) -> tuple[int, int]:
    """Raise what is new and clear what is over, of the watched kinds; returns how many of each."""
    begun = sum(
        raise_alert(transaction, condition, told.summary, now=now, detail=told.detail, severity=told.severity)
        for condition, told in found.items()
    )
    over = 0
    for incident in open_incidents(transaction):
        condition = incident.condition
        if incident.kind in WATCHED and condition not in found:
            ending = endings(condition, names.get(condition.store_id, condition.store_id))
            over += clear_alert(transaction, condition, now=now, ending=ending)
    return begun, over


class Looking:
    """``data_dir`` is given where the database lies on this disk."""

    def __init__(
        self,
        connections: Connections,
        delivery: DeliveryService,
        *,
        data_dir: Path | None,
        longest_queue: int,
        stalled_after: timedelta,
    ) -> None:
        self._connections = connections
        self._delivery = delivery
        self._data_dir = data_dir
        self._longest_queue = longest_queue
        self._stalled_after = stalled_after

    async def look(self, now: datetime) -> Seen:
        stores = {store.id: store for store in await self._connections.stores()}
        connections = await self._connections.every_connection()
        dead = {}
        for store_id in await self._delivery.stores_with_dead():
            if store_id in stores and await self._delivery.dead_count(store_id, now - NEW_FOR):
                dead[store_id] = await self._delivery.dead_groups(store_id)
        return Seen(
            now=now,
            stores=stores,
            connections=connections,
            lanes=await self._delivery.busy_lanes(),
            dead=dead,
            waiting=await self._delivery.waiting_total(),
            longest_queue=self._longest_queue,
            disk=await asyncio.to_thread(_space, self._data_dir) if self._data_dir else None,
            stalled_after=self._stalled_after,
        )


def _space(folder: Path) -> tuple[int, int]:
    there = next(each for each in (folder.resolve(), *folder.resolve().parents) if each.exists())
    usage = shutil.disk_usage(there)
    return usage.total, usage.free
