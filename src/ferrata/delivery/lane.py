"""A lane at work: claims what waits, sends it within the account's quota, writes down what became of it, and starts again.

Everything it has claimed is in the database before it is sent, and stays there until its fate is written down; so a lane may be
killed at any point, and its next owner goes on with the same bytes.
"""

import asyncio
import math
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from ferrata.delivery import outbox, parking, schedule
from ferrata.delivery.account import Account
from ferrata.delivery.agenda import Agenda
from ferrata.delivery.backlog import CALM, Choice, Room, choose, needed_by, stand_behind
from ferrata.delivery.families import FAMILIES
from ferrata.delivery.request import Request
from ferrata.delivery.schemas import LaneKey
from ferrata.delivery.sender import Gone, Sender, Settled
from ferrata.delivery.tools import Tools
from ferrata.infra.errors import StorageUnavailable
from ferrata.infra.leases import Fenced, hold
from ferrata.kit.ids import new_id

log = structlog.get_logger()

LIVE_SINGLES = 40
HISTORY_SINGLES = 16
SCARCE_SINGLES = 4
"""So many are sent alone at a time, once half of what the minute allows is used and a bulk job can take the others."""
FIRST_WITHIN_SECONDS = 0.1
BULKS_UNDER_WAY = 3
JOBS_FOLLOWED = 8
"""Jobs that Klaviyo carries out at a time before it is given another."""
FREEZE_AHEAD_SECONDS = 0.4
"""A batch is made while its slot is still to come, so that the slot is not wasted on making it."""
FREEZE_SHORT_AHEAD_SECONDS = 0.1
"""A short one is made quickly: what comes until shortly before its slot still goes with it."""
POLL_SECONDS = 1.0
BACKLOG_LOOK_SECONDS = 0.05
LOOK_WHILE_PARKED_SECONDS = 10.0
IDLE_SECONDS = 30.0
SHORT_QUEUE = LIVE_SINGLES + CALM
"""What is shorter than this is looked at whenever something happens, and not only every 50 ms."""
DEEP_LOOK = 20_000


@dataclass(slots=True)
class _Look:
    """What the last look at the outbox showed."""

    waiting: int = 0
    live: int = 0
    heads: int = 0
    calm: int = CALM
    behind: frozenset[str] = frozenset()
    at: float = float("-inf")

    @property
    def is_backlog(self) -> bool:
        return self.waiting > self.calm

    def is_for_the_job(self, first: int) -> bool:
        """Whether the next bulk job takes all of it: none could go before it as the first of its person."""
        return self.heads > first or self.waiting >= SHORT_QUEUE


class Lane:
    def __init__(self, key: LaneKey, account: Account, tools: Tools) -> None:
        self.key = key
        self._account = account
        self._tools = tools
        self._family = FAMILIES[key.family]
        self._sender = Sender(key, account, tools)
        self._agenda = Agenda()
        self._parked: parking.Parked | None = None
        self._look = _Look()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def quota_id(self) -> str:
        return self._account.quota_id

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Claim and start nothing more; ``run`` returns once what is under way is written down."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until told to stop, until idle for a while, or until the account is no longer ours."""
        try:
            await self._take_over()
            idle_since = self._tools.clock.monotonic()
            while not self._stopping and not self._account.lost:
                self._wake.clear()
                seconds = await self._step()
                if not self._agenda.is_empty or self._look.waiting:
                    idle_since = self._tools.clock.monotonic()
                elif self._tools.clock.monotonic() - idle_since > IDLE_SECONDS:
                    return
                await self._tools.pause(self._wake, seconds)
        except Fenced:
            self._account.lost = True
        except Gone:
            log.info("delivery.lane_moved", store=self.key.store_id, family=self.key.family)
        finally:
            if self._tasks:
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take_over(self) -> None:
        def work(connection: Connection) -> tuple[parking.Parked | None, outbox.LeftBehind]:
            hold(connection, self._account.lease)
            parked = parking.note_lane(connection, self.key, self._account.quota_id)
            left = outbox.left_behind(connection, self.key)
            for batch_id in left.changed_batches:
                outbox.set_free(connection, self.key, batch_id, self._tools.clock.now())
            return parked, left

        self._parked, left = await self._tools.patiently(work)
        for request, not_before in left.requests:
            self._account.limiter.seed(request.operation, [0.0])
            longest = schedule.longest_retry_delay(request.failures)
            self._agenda.add(request, due=self._tools.due(not_before, longest) if not_before else None)

    async def _step(self) -> float:
        """Do what can be done now; returns after how many seconds to look again, unless woken."""
        if not self._account.may_send:
            return 0.1
        if self._tools.is_stopped(self.key.store_id):
            return POLL_SECONDS
        if self._parked:
            return await self._step_parked()
        self._agenda.wake_due(self._tools.clock.monotonic())
        wait = self._start_ready()
        await self._claim_more()
        return min(wait, self._start_ready(), self._until_due(), self._until_look())

    def _until_due(self) -> float:
        due = self._agenda.next_due()
        return POLL_SECONDS if due is None else max(0.001, due - self._tools.clock.monotonic())

    def _until_look(self) -> float:
        if not self._look.is_backlog:
            return POLL_SECONDS
        bulk = self._until_bulk() if self._agenda.bulk_under_way < BULKS_UNDER_WAY else POLL_SECONDS
        return max(BACKLOG_LOOK_SECONDS, bulk) if self._agenda.ready_singles else BACKLOG_LOOK_SECONDS

    def _until_bulk(self) -> float:
        """Seconds until another bulk job may be sent; infinite where only something else can change that."""
        if self._family.bulk_operation is None or self._agenda.jobs >= JOBS_FOLLOWED:
            return math.inf
        return self._account.wait_seconds(self._family.bulk_operation)

    def _start_ready(self) -> float:
        wait = POLL_SECONDS
        full: set[str] = set()
        for request in self._agenda.ready():
            if request.operation in full:
                continue
            if request.is_bulk and self._agenda.bulk_under_way >= BULKS_UNDER_WAY:
                continue
            seconds = self._account.wait_seconds(request.operation)
            if seconds > 0:
                wait = min(wait, seconds)
                full.add(request.operation)
                continue
            self._start(request)
        return wait

    def _start(self, request: Request) -> None:
        self._agenda.start(request)
        self._account.sending(request.operation)
        task = asyncio.create_task(self._deliver(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _claim_more(self) -> None:
        now = self._tools.clock.monotonic()
        if self._look.waiting >= SHORT_QUEUE and now - self._look.at < BACKLOG_LOOK_SECONDS:
            return
        room = self._room()
        if not (room.bulk or room.live or room.history):
            return
        if room.soon and not room.bulk and self._look.live > room.calm and self._look.is_for_the_job(room.first):
            return
        limit = self._family.most_items + HISTORY_SINGLES if room.bulk else LIVE_SINGLES + CALM
        choice = await self._chosen(room, limit)
        self._look.at = now
        if choice.bulk or choice.alone:
            for request in await self._claim(choice):
                self._agenda.add(request)

    def _room(self) -> Room:
        may_bulk = self._family.bulk_operation is not None and self._agenda.bulk_under_way < BULKS_UNDER_WAY
        until_bulk = self._until_bulk() if may_bulk else math.inf
        bulk_soon = until_bulk <= FREEZE_AHEAD_SECONDS
        ahead = FREEZE_AHEAD_SECONDS if self._look.waiting >= SHORT_QUEUE else FREEZE_SHORT_AHEAD_SECONDS
        singles, operation = self._agenda.ready_singles, self._family.single_operation
        takes_few = bulk_soon and self._family.job_operation is None  # a job that must be followed is slower than a call
        is_scarce = takes_few and self._account.is_scarce(operation)
        goes_at_once = bulk_soon and self._account.wait_seconds(operation) <= FIRST_WITHIN_SECONDS
        return Room(
            bulk=until_bulk <= ahead and self._agenda.ready_bulks == 0,
            live=max(0, LIVE_SINGLES - singles),
            history=max(0, HISTORY_SINGLES - singles),
            soon=bulk_soon,
            first=max(0, CALM - singles) if goes_at_once else 0,
            calm=max(0, SCARCE_SINGLES - singles) if is_scarce else CALM,
        )

    async def _chosen(self, room: Room, limit: int) -> Choice:
        """Look at the head of what waits; deeper, and past those who are busy, only where the head is all theirs."""
        busy, behind = self._agenda.persons, self._look.behind

        def look(connection: Connection) -> tuple[Choice, list[outbox.Waiting]]:
            choice, seen = look_at(connection, limit)
            return (choice, seen) if choice.bulk or choice.alone or len(seen) < limit else look_at(connection, DEEP_LOOK)

        def look_at(connection: Connection, most: int) -> tuple[Choice, list[outbox.Waiting]]:
            seen = outbox.waiting(connection, self.key, most)
            unsent = outbox.unsent(connection, self.key, {name for each in seen for name in needed_by(each)})
            return choose(seen, busy, room, self._family, unsent, behind=behind), seen

        try:
            choice, seen = await self._tools.db.read(look)
        except StorageUnavailable as error:
            log.warning("delivery.cannot_look", store=self.key.store_id, error=str(error))
            return Choice()
        live = sum(each.priority == outbox.LIVE for each in seen)
        remembered = frozenset(stand_behind(seen[:limit], busy, behind))
        self._look = _Look(len(seen), live, choice.heads, room.calm, remembered, self._look.at)
        return choice

    async def _claim(self, choice: Choice) -> list[Request]:
        now = self._tools.clock.now()
        batch_id = new_id(now)

        def work(connection: Connection) -> list[Request]:
            hold(connection, self._account.lease)
            claimed = outbox.claim_alone(connection, self.key, choice.alone) if choice.alone else []
            if choice.bulk:
                claimed.append(outbox.freeze(connection, self.key, choice.bulk, batch_id, now))
            return claimed

        try:
            return await self._tools.db.write(work)
        except StorageUnavailable as error:
            log.warning("delivery.cannot_claim", store=self.key.store_id, error=str(error))
            return []

    async def _deliver(self, request: Request) -> None:
        probing = self._parked
        try:
            settled = await self._sender.send(request, parked=probing, backlog=self._look.waiting >= SHORT_QUEUE)
        except (Fenced, Gone) as error:
            self._account.lost = self._account.lost or isinstance(error, Fenced)
            self._stopping = True
            self._agenda.stop(request)
        except BaseException:
            self._agenda.stop(request)
            self._agenda.postpone(request, self._tools.clock.monotonic() + POLL_SECONDS)
            log.exception("delivery.request_failed_unexpectedly", store=self.key.store_id, operation=request.operation)
            raise
        else:
            self._agenda.stop(request)
            if probing or settled.parked:  # what was sent before the lane was parked does not open it
                self._parked = settled.parked
            self._follow(request, settled)
        finally:
            self._wake.set()

    def _follow(self, request: Request, settled: Settled) -> None:
        if settled.again is None:
            self._agenda.finished(request)
        elif settled.due is None:
            self._agenda.again(settled.again)
        else:
            self._agenda.postpone(settled.again, settled.due)
        for follower in settled.followers:
            self._agenda.add(follower, first=True)

    async def _step_parked(self) -> float:
        """Wait for the lane to be opened by hand or by a new key, or for the next probe; then try with one request."""
        if self._agenda.under_way:
            return POLL_SECONDS
        try:
            self._parked = await self._tools.db.read(lambda connection: parking.parked(connection, self.key))
        except StorageUnavailable as error:
            log.warning("delivery.cannot_look", store=self.key.store_id, error=str(error))
            return POLL_SECONDS
        if self._parked is None:
            return 0.0
        seconds = (self._parked.probe_at - self._tools.clock.now()).total_seconds()
        if 0 < seconds <= schedule.probe_delay(self._parked.probes):  # longer means that the clock was set back since
            return min(seconds, LOOK_WHILE_PARKED_SECONDS)
        request = self._agenda.next_request()
        if request is None:
            choice = await self._chosen(Room(bulk=False, live=1, history=1), CALM)
            for claimed in await self._claim(Choice(alone=choice.alone[:1])) if choice.alone else ():
                self._agenda.add(claimed)
            request = self._agenda.next_request()
        if request and self._account.wait_seconds(request.operation) <= 0:
            self._start(request)
        return POLL_SECONDS
