"""What other rooms may ask of delivery: put something into the outbox, see how it goes, look after what died.

The sending itself is in ``lane.py``, started by ``worker.py``.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy import Connection, delete, select

from ferrata.connections.schemas import Status
from ferrata.connections.service import Connections
from ferrata.delivery import deadletters, outbox, parking, queries
from ferrata.delivery.account import recent_sends
from ferrata.delivery.backlog import CALM
from ferrata.delivery.families import FAMILIES, EndpointFamily, Part
from ferrata.delivery.forgetting import Forgetting
from ferrata.delivery.holding import Holding
from ferrata.delivery.models import attempts, deliveries
from ferrata.delivery.schemas import (
    AgeBand,
    Change,
    DeadGroup,
    DeadLetter,
    Deliver,
    Delivery,
    Family,
    Filter,
    Lane,
    LaneKey,
    Minute,
    Planned,
    State,
    Story,
    Superseded,
    Totals,
    Window,
)  # fmt: skip
from ferrata.delivery.stops import Stops
from ferrata.delivery.waiting_ages import waiting_ages
from ferrata.delivery.watch import Watch
from ferrata.delivery.worker import Worker
from ferrata.infra.database import Database
from ferrata.infra.errors import Transient
from ferrata.infra.paging import Page
from ferrata.kit.clock import Clock
from ferrata.kit.ids import go_on_after, time_of
from ferrata.klaviyo import Limiter

log = structlog.get_logger()

CALM_FOR_SECONDS = 0.25
COUNT_FOR_SECONDS = 1.0
LOOK_EVERY_SECONDS = 0.05


class DeliveryService:
    """``worker`` is None in a process that only accepts: then what happens is seen by looking at the database."""

    def __init__(
        self,
        db: Database,
        connections: Connections,
        clock: Clock,
        watch: Watch,
        *,
        name: str,
        longest_queue: int,
        stops: Stops | None = None,
    ) -> None:
        self._db = db
        self._connections = connections
        self._clock = clock
        self._watch = watch
        self._name = name
        self._longest_queue = longest_queue
        self._calm: dict[tuple[LaneKey, bool], tuple[float, bool]] = {}
        self._waiting = (float("-inf"), 0)
        self._openings: set[asyncio.Task[None]] = set()
        self.worker: Worker | None = None
        self.forgetting = Forgetting()
        self.stops = stops or Stops(db, clock)
        self.holding = Holding(db, self.stops, self._calm.clear, self.wake)

    # Into the outbox

    def put(self, connection: Connection, items: Sequence[Deliver]) -> None:
        """Put deliveries into the outbox, inside the caller's transaction."""
        outbox.put(connection, items)

    def supersede(self, connection: Connection, id_: str, by: str, *, whole: bool = False) -> Superseded | None:
        """A newer delivery of the same thing takes the place of this one, inside the caller's transaction.

        If this one has not been sent it never will be; if it is dead it is not replayed any more, and with ``whole``, where the
        newer one tells all of it, it is no dead letter either. None if it is forgotten.
        """
        return outbox.supersede(connection, id_, by, self._clock.now(), whole=whole)

    def dead_ids(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Which of these Klaviyo has refused."""
        dead = select(deliveries.c.id).where(deliveries.c.id.in_(ids), deliveries.c.state == State.DEAD.value)
        return set(connection.execute(dead).scalars()) if ids else set()

    def renew(self, connection: Connection, id_: str, item: Deliver) -> bool:
        """What Klaviyo has refused under that id is sent again with this content; False if nothing is dead there.

        Inside the caller's transaction; say ``wake`` after its commit.
        """
        return deadletters.renew(connection, id_, item)

    def hasten(self, connection: Connection, ids: Sequence[str]) -> None:
        """Something live needs these: if they wait as history, they are live from now on."""
        outbox.hasten(connection, ids)

    async def bodies(self, ids: Iterable[str]) -> dict[str, bytes | None]:
        """The body that each of these has, or had, if it goes alone."""
        wanted = list(ids)
        found = await self._db.read(lambda connection: queries.texts(connection, wanted))
        return {id_: FAMILIES[family].single(Part(subject, profile)).body for id_, (family, subject, profile) in found.items()}

    def planned(self, item: Deliver) -> Planned:
        """The exact request with which this would be sent if it goes alone."""
        family = FAMILIES[item.family]
        call = family.single(Part(item.subject_json, item.profile_json))
        method, _, path = call.operation.partition(" ")
        return Planned(item.family, family.title(item.subject_json), method, path.format(**call.path or {}), call.body)

    def planned_since(self, connection: Connection, store_id: str, first_id: str) -> list[Planned]:
        """What was put for a store in this very transaction: for a look at what would be, before all of it is undone."""
        return [self.planned(item) for item in outbox.put_since(connection, store_id, first_id)]

    def wake(self, store_id: str, family: Family) -> None:
        """Say, after the commit, that something new waits."""
        if self.worker:
            self.worker.wake(LaneKey(store_id, family))

    async def calm(self, store_id: str, family: Family, *, history: bool = False) -> bool:
        """Whether a new delivery can expect its first attempt at once, so that waiting for it makes sense. Known for 250 ms.

        ``history``: one that waits behind all others, while a live one does not wait for history.
        """
        key, now = LaneKey(store_id, family), self._clock.monotonic()
        known = self._calm.get((key, history))
        if known and known[0] > now:
            return known[1]
        is_calm = (
            self.stops.of(store_id) is None
            and await self._connections.credential(store_id) is not None
            and await self._db.read(lambda connection: queries.is_calm(connection, key, CALM, self._clock.now(), history=history))
        )
        self._calm[key, history] = (now + CALM_FOR_SECONDS, is_calm)
        return is_calm

    async def waiting_total(self) -> int:
        """How many wait in all stores, as known for a second; counting stops a little above the longest queue allowed."""
        known_until, total = self._waiting
        if self._clock.monotonic() >= known_until:
            if known_until >= 0:  # whoever comes meanwhile goes by what is known
                self._waiting = (self._clock.monotonic() + COUNT_FOR_SECONDS, total)
            total = await self._db.read(lambda connection: queries.waiting_total(connection, self._longest_queue + 1))
            # Counting costs more the more there are: look less often then.
            self._waiting = (self._clock.monotonic() + COUNT_FOR_SECONDS + total / 100_000, total)
        return total

    # How it goes

    async def first_outcomes(self, ids: Sequence[str], seconds: float) -> dict[str, Delivery]:
        """Wait until each has had its first attempt, at most so long; returns how they stand then."""
        deadline = self._clock.monotonic() + seconds
        settled = self._watch.expect(ids)
        try:
            while True:
                settled.clear()
                found = await self.states(ids)
                left = deadline - self._clock.monotonic()
                if left <= 0 or all(_was_tried(found.get(id_)) for id_ in ids):
                    return found
                await self._either(settled, left if self._db.exclusive else min(left, LOOK_EVERY_SECONDS))
        finally:
            self._watch.forget(ids)

    async def _either(self, event: asyncio.Event, seconds: float) -> None:
        waiting = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def states(self, ids: Iterable[str]) -> dict[str, Delivery]:
        wanted = list(ids)
        return await self._db.read(lambda connection: queries.states(connection, wanted))

    async def of_thing(self, store_id: str, family: Family, person: str, limit: int = 50) -> list[Delivery]:
        """The deliveries of one thing of the catalogue, or of one person's profile, newest first."""
        return await self._db.read(lambda connection: queries.of_thing(connection, store_id, family, person, limit))

    async def story(self, id_: str) -> Story | None:
        return await self._db.read(lambda connection: queries.story(connection, id_))

    async def ids_in_state(self, store_id: str, state: State, before_id: str | None, limit: int) -> list[str]:
        """Ids of deliveries in that state, newest first, before ``before_id``."""
        return await self._db.read(lambda connection: queries.ids_in_state(connection, store_id, state, before_id, limit))

    async def totals(self, store_id: str) -> Totals:
        return await self._db.read(lambda connection: queries.totals(connection, store_id))

    async def minutes(self, store_id: str, since: datetime) -> list[Minute]:
        """What was done in each minute, oldest first; minutes in which nothing was done are left out."""
        return await self._db.read(lambda connection: queries.minutes(connection, store_id, since))

    async def dead_count(self, store_id: str, since: datetime | None = None) -> int:
        return await self._db.read(lambda connection: queries.dead_since(connection, store_id, since))

    async def lanes(self, store_id: str | None = None) -> list[Lane]:
        """Each store's lanes. How far their quota is used is exact where this process sends for them, else as the books tell."""
        await self.stops.look()
        store_ids = [store_id] if store_id else [store.id for store in await self._connections.stores()]
        found = await self._db.read(lambda connection: queries.lane_rows(connection, store_ids, self._clock.now()))
        return [await self._with_connection(lane) for lane in found]

    async def stores_with_dead(self) -> list[str]:
        """The stores that have dead letters."""
        return await self._db.read(lambda connection: outbox.stores_with(connection, State.DEAD))

    async def busy_lanes(self) -> list[Lane]:
        """Of all stores, the lanes in which something waits, is being sent, or is parked: for whoever watches over all."""
        await self.stops.look()
        found = await self._db.read(lambda connection: queries.busy_lane_rows(connection, self._clock.now()))
        return [await self._with_connection(lane) for lane in found]

    async def _with_connection(self, lane: Lane) -> Lane:
        stop = self.stops.of(lane.store_id)
        if stop:
            lane = replace(lane, parked_code="stopped", parked_detail=stop.sentence, parked_at=stop.at, probe_at=None)
        credential = await self._connections.credential(lane.store_id)
        if credential is None and stop is None:
            detail = "This store has no connection to Klaviyo yet. What is accepted waits here."
            return replace(lane, parked_code="not_connected", parked_detail=detail)
        if credential is None:
            return lane
        account = self.worker.accounts.get(credential.quota_id) if self.worker else None
        limiter = account.limiter if account else await self._limiter_of_others(credential.quota_id)
        family = FAMILIES[lane.family]
        return replace(
            lane,
            windows=tuple(
                Window(operation, round(window.period_seconds), window.used, window.allowed, events_each)
                for operation, events_each in _used(family)
                for window in limiter.usage(operation).windows
            ),
        )

    async def _limiter_of_others(self, quota_id: str) -> Limiter:
        """What nobody, or another process, sends with: the published figures, and what was sent lately."""
        now = self._clock.now()
        sent = await self._db.read(lambda connection: recent_sends(connection, quota_id, now))
        limiter = Limiter(self._clock.monotonic, self._clock.now)
        for operation in {operation for operation, _ in sent}:
            limiter.seed(operation, [age for of, age in sent if of == operation])
        return limiter

    async def waiting_ages(self, store_id: str) -> list[AgeBand]:
        """What waits in the store's lanes, by age."""
        return await self._db.read(lambda connection: waiting_ages(connection, store_id, self._clock.now()))

    # Looking after it

    async def probe(
        self,
        store_id: str,
        family: Family | None = None,
        *,
        record: Callable[[Connection, int], None] = lambda _connection, _count: None,
    ) -> int:
        """Open parked lanes again and try at once; returns how many were parked. ``record`` writes it into the audit."""

        def work(connection: Connection) -> int:
            opened = parking.unpark(connection, store_id, family)
            record(connection, opened)
            return opened

        opened = await self._db.write(work)
        for each in [family] if family else list(Family):
            self.wake(store_id, each)
        return opened

    async def dead_letters(self, filter_: Filter, cursor: str | None = None, limit: int = 50) -> Page[DeadLetter]:
        return await self._db.read(lambda connection: deadletters.page(connection, filter_, cursor, limit))

    async def dead_groups(self, store_id: str) -> list[DeadGroup]:
        return await self._db.read(lambda connection: deadletters.groups(connection, store_id))

    async def replay(
        self, filter_: Filter, *, dry_run: bool, record: Callable[[Connection, int], None] = lambda _connection, _count: None
    ) -> Change:
        """Send dead letters again, unchanged, but for those that would overwrite something newer.

        ``record`` is called in the same transaction, for the audit.
        """
        would = await self._db.read(lambda connection: deadletters.count(connection, filter_, to_replay=True))
        if dry_run:
            return would

        def work(connection: Connection) -> tuple[int, set[LaneKey]]:
            replayed, keys = deadletters.replay(connection, filter_)
            record(connection, replayed)
            return replayed, keys

        replayed, keys = await self._db.write(work)
        for key in keys:
            self.wake(key.store_id, key.family)
        return Change(False, replayed, would.examples)

    async def discard(
        self, filter_: Filter, *, dry_run: bool, record: Callable[[Connection, int], None] = lambda _connection, _count: None
    ) -> Change:
        """Give dead letters up for good."""
        would = await self._db.read(lambda connection: deadletters.count(connection, filter_))
        if dry_run:
            return would

        def work(connection: Connection) -> int:
            discarded = deadletters.discard(connection, filter_, self._name, self._clock.now())
            record(connection, discarded)
            return discarded

        return Change(False, await self._db.write(work), would.examples)

    def connection_changed(self, store_id: str) -> None:
        """Open the store's lanes when its connection has been mended. To be registered with the connections room."""
        task = asyncio.get_running_loop().create_task(self._open_if_connected(store_id))
        self._openings.add(task)
        task.add_done_callback(self._openings.discard)

    async def _open_if_connected(self, store_id: str) -> None:
        self._calm.clear()
        try:
            if (await self._connections.connection(store_id)).status is Status.CONNECTED:
                await self.probe(store_id)
        except Transient as error:  # the lane's own next probe will find the new key
            log.warning("delivery.lane_not_opened", store=store_id, error=str(error))

    async def close(self) -> None:
        """Finish what ``connection_changed`` has begun."""
        await asyncio.gather(*self._openings)

    # For retention, inside its transaction

    def finished_ids(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Which of these are delivered, given up or held back on purpose, and so may be forgotten."""
        finished = (State.DELIVERED.value, State.DISCARDED.value, State.SUPERSEDED.value, State.HELD.value)
        rows = connection.execute(select(deliveries.c.id).where(deliveries.c.id.in_(ids), deliveries.c.state.in_(finished)))
        return set(rows.scalars())

    async def go_on_after_what_waits(self) -> None:
        """Where the clock was set back since something was accepted that still waits: what comes now stays behind it."""
        now = self._clock.now()
        if newest := await self._db.read(lambda connection: outbox.newest_from(connection, now)):
            log.warning("delivery.clock_was_ahead", until=time_of(newest).isoformat())
            go_on_after(newest)

    def unfinished_ids(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Which of these still have something to happen: waiting, on their way, or dead and not yet given up."""
        unfinished = (State.WAITING.value, State.SENDING.value, State.DEAD.value)
        rows = connection.execute(select(deliveries.c.id).where(deliveries.c.id.in_(ids), deliveries.c.state.in_(unfinished)))
        return set(rows.scalars())

    def forget(self, connection: Connection, ids: Sequence[str]) -> int:
        """Delete finished deliveries and their single attempts; unfinished ones stay, whatever is asked."""
        finished = list(self.finished_ids(connection, ids))
        connection.execute(delete(attempts).where(attempts.c.delivery_id.in_(finished)))
        return connection.execute(delete(deliveries).where(deliveries.c.id.in_(finished))).rowcount


def _used(family: EndpointFamily) -> Iterator[tuple[str, int]]:
    """The operations whose quota a lane's page shows, with how many things each request carries."""
    yield family.single_operation, 1
    if family.bulk_operation:
        yield family.bulk_operation, family.most_items


def _was_tried(delivery: Delivery | None) -> bool:
    return (
        delivery is None
        or delivery.attempts > 0
        or delivery.state
        in (
            State.DELIVERED,
            State.DEAD,
            State.DISCARDED,
            State.HELD,
        )
    )
