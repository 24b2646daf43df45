"""Sources: take their messages, map them, read their history, explain; and tell how all of this stands."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from httpx2 import AsyncBaseTransport
from sqlalchemy import Connection

from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.carts.service import Carts
from ferrata.connections.service import Connections
from ferrata.delivery.schemas import Delivery
from ferrata.delivery.service import DeliveryService
from ferrata.infra.crypto import SecretBox
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.infra.paging import Page
from ferrata.infra.public_addresses import PublicAddresses
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.sources import counting, memory_store, runs_store, store
from ferrata.sources.backfilling import Backfilling, Bounds
from ferrata.sources.bell import Bell
from ferrata.sources.configurations import Configurations
from ferrata.sources.contract import Backfill, Reader, Received, Reply, Source
from ferrata.sources.erasing import Erasing, Rooms
from ferrata.sources.explaining import Explainer
from ferrata.sources.handover import Handover, Takers
from ferrata.sources.holding import Holding
from ferrata.sources.line import Line, Tools
from ferrata.sources.reading import Readers
from ferrata.sources.receiving import NO_STORE, Reception
from ferrata.sources.replaying import Replaying
from ferrata.sources.schemas import (
    Backlog,
    Counts,
    Health,
    KeptMessage,
    LineFigures,
    LineKey,
    Receipt,
    Run,
    RunState,
    Standing,
    State,
    Stuck,
    Wanted,
)
from ferrata.sources.watching import Watching
from ferrata.sources.worker import Parts, SourceWorker

log = structlog.get_logger()

LATE_AFTER_SECONDS = 300.0
STORE_SEEN_SECONDS = 1.0
_MOVES: Mapping[str, tuple[frozenset[RunState], RunState]] = {
    "pause": (frozenset({RunState.RUNNING}), RunState.PAUSED),
    "resume": (frozenset({RunState.PAUSED, RunState.FAILED}), RunState.RUNNING),
    "cancel": (frozenset({RunState.RUNNING, RunState.PAUSED, RunState.FAILED}), RunState.CANCELLED),
}
MOVES = tuple(_MOVES)


@dataclass(frozen=True, slots=True)
class Ground:
    """What the room stands on. ``worker`` names this process; ``transport`` stands in for the network in tests.

    ``addresses``: where a store's settings may lead.
    """

    database: Database
    clock: Clock
    audit: Audit
    box: SecretBox
    connections: Connections
    delivery: DeliveryService
    takers: Takers
    carts: Carts
    worker: str
    most_waiting: int
    transport: AsyncBaseTransport | None = None
    addresses: PublicAddresses = field(default_factory=PublicAddresses)


class Sources:
    def __init__(self, ground: Ground, installed: Mapping[str, Source]) -> None:
        self._database = ground.database
        self._clock = ground.clock
        self._audit = ground.audit
        self._connections = ground.connections
        self._delivery = ground.delivery
        self._stores_seen: dict[str, float] = {}
        self.configurations = Configurations(ground.database, ground.clock, ground.audit, ground.box, installed)
        self.watching = Watching(ground.database, ground.clock, self.configurations)
        readers = Readers(ground.database, ground.clock, ground.transport, ground.addresses)
        handover = Handover(ground.takers)
        self._bell, takers = Bell(ground.database), ground.takers
        self.erasing = Erasing(
            Rooms(ground.database, ground.audit, takers.events, takers.profiles, ground.delivery, ground.carts)
        )
        self._tools = Tools(
            ground.database, ground.clock, self.configurations, readers, handover, ground.worker, random.random, self.erasing
        )
        self.reception = Reception(
            ground.database, ground.clock, self.configurations, ground.worker, self._woken, around=readers.around
        )
        self.explainer = Explainer(self._tools, ground.delivery)
        self.replaying = Replaying(self._tools, ground.audit, self.reception, ground.delivery)
        self.backfilling = Backfilling(self._tools, Bounds(ground.delivery, ground.most_waiting), self.reception)
        holding = Holding(ground.database, ground.clock, ground.worker)
        self.worker = SourceWorker(Parts(self._tools, self.reception, self.backfilling, holding))

    def _woken(self, key: LineKey) -> None:
        self.worker.wake(key)
        self._bell.ring()

    async def close(self) -> None:
        await self._bell.close()
        await self._tools.readers.close()

    async def receive(self, kind: str, store_id: str, received: Received) -> Receipt | Reply:
        """As ``Reception.receive``; what names a store that is not there is kept apart too. Raises NotFound then."""
        now = self._clock.monotonic()
        if self._stores_seen.get(store_id, float("-inf")) <= now - STORE_SEEN_SECONDS:
            try:
                await self._connections.store(store_id)
            except NotFound as fault:
                await self.reception.receive_for_nobody(kind, received, fault)
                raise self.reception.not_set_up(
                    LineKey(store_id, kind)
                ) from None  # strangers do not learn which stores there are
            self._stores_seen[store_id] = now
        return await self.reception.receive(LineKey(store_id, kind), received)

    async def work_off(self, store_id: str, kind: str) -> int:
        """Map everything that may be mapped now, here and at once; how many messages came a step further."""
        line, total = Line(LineKey(store_id, kind), self._tools), 0
        while done := await line.step():
            total += done
        return total

    async def reader(self, store_id: str, kind: str) -> Reader:
        """A source's API as a store may use it. Raises NoSuchSource, NotSetUp, NoReader."""
        return await self._tools.readers.get(await self.configurations.get(store_id, kind))

    async def record(self, actor: Actor, action: str, store_id: str, kind: str, after: Mapping[str, Any]) -> None:
        """Put something on record that somebody did at a source itself."""

        def work(connection: Connection) -> None:
            self._audit.record(connection, actor, action, f"source/{kind}", store_id=store_id, after=after)

        await self._database.write(work)

    # How it stands

    async def standings(self, store_id: str) -> list[Standing]:
        """Every installed source as it stands for a store; those that are set up first."""
        found = [await self._standing(store_id, source) for source in self.configurations.sources.values()]
        return sorted(found, key=lambda standing: standing.version is None)

    async def standing(self, store_id: str, kind: str) -> Standing:
        """Raises NoSuchSource."""
        return await self._standing(store_id, self.configurations.source(kind))

    async def _standing(self, store_id: str, source: Source) -> Standing:
        line, now = LineKey(store_id, source.kind), self._clock.now()
        reason: str | None = None
        try:
            configuration = await self.configurations.find(store_id, source.kind)
        except Rejected as error:
            configuration, reason = None, error.message
        backlog, last, refused, counts = await self._database.read(lambda connection: _figures(connection, line, now))
        lag = max(0.0, (now - backlog.oldest_at).total_seconds()) if backlog.oldest_at else 0.0
        enabled = configuration is not None and configuration.enabled
        return Standing(
            kind=source.kind,
            title=source.title,
            version=configuration.version if configuration else None,
            enabled=enabled,
            health=_health(enabled=enabled, lag=lag, refused=counts.refused, came=last is not None),
            waiting=backlog.waiting,
            expecting=backlog.expecting,
            refused=refused,
            lag_seconds=lag,
            last_at=last,
            last_day=counts,
            reason=reason or backlog.reason,
        )

    async def figures(self) -> dict[LineKey, LineFigures]:
        """What every line has counted so far, and what waits in it."""
        counted, waiting = await self._database.read(lambda connection: (counting.in_all(connection), store.waiting(connection)))
        found = {line: LineFigures(counts) for line, counts in counted.items()}
        for line, count, oldest in waiting:
            found[line] = LineFigures(counted.get(line, Counts()), count, oldest)
        return found

    async def stuck(self) -> list[Stuck]:
        """Lines that are switched on and whose live messages have waited for longer than ``LATE_AFTER_SECONDS`` all the same."""
        now = self._clock.now()
        before = now - timedelta(seconds=LATE_AFTER_SECONDS)
        late = [Stuck(*found) for found in await self._database.read(lambda connection: store.stuck(connection, before, now))]
        return [each for each in late if await self._is_on(each.line)]

    async def _is_on(self, line: LineKey) -> bool:
        """Also where its settings cannot be used by this release: it would be on."""
        try:
            configuration = await self.configurations.find(line.store_id, line.kind)
        except Rejected:
            return True
        return configuration is not None and configuration.enabled

    async def messages(self, wanted: Wanted, cursor: str | None = None, limit: int = 50) -> Page[KeptMessage]:
        """Newest first. Raises Rejected for a cursor that is not ours."""
        return await self._database.read(lambda connection: store.page(connection, wanted, cursor, limit))

    async def message(self, store_id: str, kind: str, id_: str) -> KeptMessage:
        """Raises NotFound."""
        found = await self._database.read(lambda connection: store.find(connection, LineKey(store_id, kind), id_))
        if found is None:
            raise NotFound("There is no such message of this source in this store; old ones are forgotten.")
        return found

    async def deliveries(self, kept: KeptMessage) -> dict[str, Delivery]:
        """How the events that a message made stand with Klaviyo, by their ids."""
        return await self._delivery.states([made.id for made in kept.made if made.id])

    async def forget(self, before: datetime, limit: int = 1_000) -> int:
        """Delete messages of before an instant that are mapped or skipped, at most so many in one step; how many it were."""
        return await self._database.write(lambda connection: store.forget_before(connection, before, limit))

    async def forget_taught(self, before: datetime) -> int:
        """Delete what messages taught and none has told again since then."""
        return await self._database.write(lambda connection: memory_store.forget_before(connection, before))

    # History

    async def begin_backfill(
        self, store_id: str, kind: str, backfill: str, *, since: datetime | None, until: datetime | None, actor: Actor
    ) -> Run:
        """Start to read history; a worker goes on with it.

        Raises:
            NotSetUp, NoSuchSource, NoReader: it can't be read.
            Rejected: there is no such history, or the dates contradict each other.
            AlreadyRunning: it is being read, or paused.
        """
        configuration = await self.configurations.get(store_id, kind)
        what = _backfill_of(configuration.source, backfill)
        await self._tools.readers.get(configuration)
        now = self._clock.now()
        end = min(until, now) if until else now
        if since and since >= end:
            raise Rejected(problems=(Problem("since", "since must lie before until, and in the past"),))
        run = Run(
            id=new_id(now), store_id=store_id, kind=kind, backfill=what.name, since=since, until=end, state=RunState.RUNNING,
            cursor=None, pages=0, messages=0, made=0, repeated=0, skipped=0, refused=0, total=None, failures=0, next_at=None,
            note=None, started_by=actor.name[:255], started_at=now, seen_at=now, worked_ms=0, finished_at=None,
        )  # fmt: skip

        def work(connection: Connection) -> None:
            runs_store.begin(connection, run)
            after = {"backfill": what.name, "since": since.isoformat() if since else None, "until": end.isoformat()}
            self._audit.record(
                connection, actor, "sources.backfill_started", f"backfill/{run.id}", store_id=store_id, after=after
            )

        await self._database.write(work)
        self.worker.look_around()
        return run

    async def move_backfill(self, store_id: str, id_: str, move: str, actor: Actor) -> Run:
        """``pause``, ``resume`` or ``cancel`` a run. The same again changes nothing.

        Raises:
            NotFound: there is no such run.
            Rejected: it has ended.
        """
        may, state = _MOVES[move]
        now = self._clock.now()

        def work(connection: Connection) -> Run:
            run = runs_store.find(connection, id_, lock=True)
            if run is None or run.store_id != store_id:
                raise NotFound("There is no such run.")
            if run.state is state:
                return run
            if run.state not in may:
                raise Rejected(f"This run is {run.state.value}; it cannot be told to {move}.")
            runs_store.move(connection, run, state, now)
            change: dict[str, Any] = {
                "before": {"state": run.state.value},
                "after": {"state": state.value, "messages": run.messages},
            }
            self._audit.record(
                connection, actor, f"sources.backfill_{state.value}", f"backfill/{id_}", store_id=store_id, **change
            )
            return msgspec.structs.replace(run, state=state, note=None)

        moved = await self._database.write(work)
        self.worker.look_around()
        return moved

    async def backfill(self, store_id: str, id_: str) -> Run:
        """Raises NotFound."""
        found = await self._database.read(lambda connection: runs_store.find(connection, id_))
        if found is None or found.store_id != store_id:
            raise NotFound("There is no such run.")
        return found

    async def backfills(self, store_id: str, kind: str | None = None, cursor: str | None = None, limit: int = 50) -> Page[Run]:
        """Newest first."""
        return await self._database.read(lambda connection: runs_store.page(connection, store_id, kind, cursor, limit))

    async def work_off_backfill(self, id_: str) -> Run | None:
        """Read on, here and at once, for as long as it goes; how the run stands then."""
        going = await self._database.read(lambda connection: runs_store.find(connection, id_))
        while going and going.state is RunState.RUNNING:
            going = await self.backfilling.step(going)
        return await self._database.read(lambda connection: runs_store.find(connection, id_))

    async def strays(self, kind: str | None = None, limit: int = 50) -> list[KeptMessage]:
        """Deliveries that named a store which is not there, the newest first."""
        return [*(await self.messages(Wanted(store_id=NO_STORE, kind=kind), None, limit)).rows]


def _figures(connection: Connection, line: LineKey, now: datetime) -> tuple[Backlog, datetime | None, int, Counts]:
    refused = store.count(connection, Wanted(store_id=line.store_id, kind=line.kind, states=(State.REFUSED,)))
    last, counts = store.last_at(connection, line), counting.since(connection, line, now - timedelta(days=1))
    return store.backlog(connection, line, now), last, refused, counts


def _health(*, enabled: bool, lag: float, refused: int, came: bool) -> Health:
    if not enabled:
        return Health.OFF
    if lag > LATE_AFTER_SECONDS:
        return Health.LATE
    if refused:
        return Health.REFUSING
    return Health.MOVING if came else Health.QUIET


def _backfill_of(source: Source, name: str) -> Backfill:
    for each in source.backfills:
        if each.name == name:
            return each
    there = ", ".join(each.name for each in source.backfills) or "none"
    raise Rejected(problems=(Problem("backfill", f"{source.title} has no history {name!r}; there are: {there}"),))
