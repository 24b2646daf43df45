"""Reads a source's history page by page: what a page made and how far it has come are kept in one transaction.

So a process that is killed repeats the page it was at and nothing else, and that page's events are known by their ids already.
Raw messages of history are not kept, for they can be read again; those that are refused are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from ferrata.delivery.service import DeliveryService
from ferrata.infra.errors import FerrataError, Recovery
from ferrata.infra.leases import Lease, hold
from ferrata.kit.ids import new_id
from ferrata.profiles.errors import Overtaken
from ferrata.sources import alarming, runs_store, schedule, store
from ferrata.sources.contract import BackfillPage, RawMessage, Span
from ferrata.sources.errors import Later, NotSetUp
from ferrata.sources.line import ATTEMPTS, Attempt, Tools, after, attempt, hand_over
from ferrata.sources.reading import Answers
from ferrata.sources.receiving import Reception, message_of
from ferrata.sources.schemas import Configuration, Counts, KeptMessage, LineKey, Made, Outcome, Run, RunState, State

log = structlog.get_logger()

LOOK_AGAIN_SECONDS = 2.0
FAILS_AFTER = 20
"""Errors in a row that nothing but waiting can mend, at up to five minutes apart; then somebody has to look."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """``most_waiting`` deliveries may wait in all before history is read on."""

    delivery: DeliveryService
    most_waiting: int


class Backfilling:
    def __init__(self, tools: Tools, bounds: Bounds, reception: Reception) -> None:
        self._tools = tools
        self._bounds = bounds
        self._reception = reception

    async def step(self, run: Run, lease: Lease | None = None) -> Run | None:
        """Read one page further; the run as it stands then, or None if it is not to go on now.

        Raises:
            Fenced: another process has this run now.
            StorageUnavailable: nothing was kept of the page.
        """
        tools = self._tools
        if await self._bounds.delivery.waiting_total() >= self._bounds.most_waiting:
            await self._wait_for_delivery(run)
            return None
        await tools.handover.fresh()
        try:
            configuration = await tools.configurations.get(run.store_id, run.kind)
            page = await (await tools.readers.get(configuration)).page(run.backfill, run.cursor, Span(run.until, run.since))
            live = next(each.live for each in configuration.source.backfills if each.name == run.backfill)
            attempts = [] if live else await self._map(configuration, run, page)
        except Later as later:
            await self._put_off(run, later, later.seconds)
            return None
        except FerrataError as error:
            await self._failed(run, error)
            return None
        if live:
            await self._reception.keep(LineKey(run.store_id, run.kind), page.messages)
        return await self._settle(run, configuration, page, attempts, lease)

    async def _map(self, configuration: Configuration, run: Run, page: BackfillPage) -> list[Attempt]:
        answers = Answers(dict(page.looked_up))
        return [await self._attempt(configuration, self._message(configuration, run, raw), answers) for raw in page.messages]

    def _message(self, configuration: Configuration, run: Run, raw: RawMessage) -> KeptMessage:
        now = self._tools.clock.now()
        message = message_of(LineKey(run.store_id, run.kind), raw, now, history=True)
        return KeptMessage(id=new_id(now), message=message, title=configuration.source.title_of(message), state=State.WAITING)

    async def _attempt(self, configuration: Configuration, kept: KeptMessage, answers: Answers) -> Attempt:
        """Raises Later: the page is not taken in parts, so that one cursor tells how far it has come."""
        made = await attempt(self._tools, configuration, kept, answers)
        if made.outcome.state is State.WAITING:  # what is not known of history now will not be known later either
            return Attempt(kept, Outcome(State.REFUSED, code=made.outcome.code, reason=made.outcome.reason))
        return made

    async def _settle(
        self, run: Run, configuration: Configuration, page: BackfillPage, attempts: Sequence[Attempt], lease: Lease | None
    ) -> Run | None:
        tools, now = self._tools, self._tools.clock.now()

        def work(connection: Connection) -> tuple[Run | None, bool]:
            if lease:
                hold(connection, lease)
            current = runs_store.find(connection, run.id, lock=True)
            if current is None or current.state is not RunState.RUNNING or current.cursor != run.cursor:
                return current, False
            settled = hand_over(connection, tools.handover, LineKey(run.store_id, run.kind), attempts)
            refused = [
                after(attempt, made, configuration.version, now)
                for attempt, made in settled
                if attempt.outcome.state is State.REFUSED
            ]
            if store.insert(connection, refused):
                alarming.look(connection, LineKey(run.store_id, run.kind), now)
            counts = _counts(page, settled)
            runs_store.page_done(connection, run, cursor=page.cursor, made=counts, total=page.total, now=now)
            return runs_store.find(connection, run.id), True

        for turn in range(ATTEMPTS):
            try:
                current, taken = await tools.database.write(work)
                break
            except Overtaken:
                if turn == ATTEMPTS - 1:
                    raise
        if taken:
            tools.handover.wake(run.store_id, [attempt.ready for attempt in attempts if attempt.ready])
        if current and current.state is RunState.DONE:
            log.info("sources.backfill_done", run=run.id, source=run.kind, messages=current.messages)
        return current if current and current.state is RunState.RUNNING else None

    async def _wait_for_delivery(self, run: Run) -> None:
        now, note = self._tools.clock.now(), f"Waits until fewer than {self._bounds.most_waiting:,} deliveries wait."
        await self._tools.database.write(lambda connection: runs_store.seen(connection, run, now, note))

    async def _failed(self, run: Run, error: FerrataError) -> None:
        if error.recovery is Recovery.RETRY and run.failures + 1 < FAILS_AFTER:
            await self._put_off(run, error, error.retry_after_seconds)
            return
        log.error("sources.backfill_failed", run=run.id, source=run.kind, error=error.message)
        mend = "Set the source up, then resume." if isinstance(error, NotSetUp) else "Mend it, then resume: it goes on from here."
        now, note = self._tools.clock.now(), f"{error.message} {mend}"
        await self._tools.database.write(lambda connection: runs_store.move(connection, run, RunState.FAILED, now, note))

    async def _put_off(self, run: Run, error: FerrataError, seconds: float | None) -> None:
        now = self._tools.clock.now()
        wait = schedule.wait(seconds, schedule.delay(run.failures + 1, self._tools.chance))
        log.warning("sources.backfill_put_off", run=run.id, source=run.kind, error=error.message, seconds=round(wait, 1))
        next_at = now + timedelta(seconds=wait)
        await self._tools.database.write(lambda connection: runs_store.put_off(connection, run, error.message, next_at, now))


def _counts(page: BackfillPage, settled: Sequence[tuple[Attempt, tuple[Made, ...]]]) -> Counts:
    made = [each for _, some in settled for each in some]
    return Counts(
        kept=len(page.messages),
        repeated=sum(each.repeated for each in made),
        mapped=sum(not each.repeated for each in made),
        skipped=sum(attempt.outcome.state is State.SKIPPED for attempt, _ in settled),
        refused=sum(attempt.outcome.state is State.REFUSED for attempt, _ in settled),
    )
