"""Runs jobs when they are due, in any number of processes that share the database.

A slot that nobody worked off, because nothing ran at that time, is made up for at the next start: of several, the last.
A job that fails is logged and not tried again before its next slot; one whose process died is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from ferrata.infra.database import Database
from ferrata.infra.errors import Transient
from ferrata.infra.schedule import claims
from ferrata.infra.schedule.claims import Claim, Claimant, Run
from ferrata.infra.schedule.slots import Slots
from ferrata.kit.clock import Clock

log = structlog.get_logger()

LEASE = timedelta(seconds=60)
RENEW_EVERY_SECONDS = 15.0
LOOK_EVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """``work`` may be broken off at any point and started again. ``keep`` is how long the record of a run is kept."""

    name: str
    slots: Slots
    work: Callable[[], Awaitable[object]]
    keep: timedelta = timedelta(days=90)


class Scheduler:
    """``owner`` names this process; no two processes have the same."""

    def __init__(self, database: Database, clock: Clock, owner: str, jobs: Sequence[Job]) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._jobs = {job.name: job for job in jobs}
        self._settled: dict[str, datetime] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    @property
    def job_names(self) -> tuple[str, ...]:
        return tuple(self._jobs)

    async def run(self) -> None:
        """Work until ``stop``. What is under way then is broken off and left to the next process."""
        try:
            while not self._stopping:
                self._wake.clear()
                await self.look()
                await self._pause()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def look(self) -> None:
        """Start every job that is due and that nobody works on."""
        for job in self._jobs.values():
            slot = job.slots.latest(self._clock.now())
            if job.name in self._running or self._settled.get(job.name, slot - timedelta(1)) >= slot:
                continue
            try:
                claimed = await self._claim(job, slot)
            except Transient as error:
                log.warning("schedule.cannot_claim", job=job.name, error=str(error))
                continue
            if claimed is Claim.SETTLED:
                self._settled[job.name] = slot
            elif claimed is Claim.OURS:
                self._start(job, slot)

    async def idle(self) -> None:
        """Wait until nothing that was started here runs any more."""
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def next_slot(self, name: str) -> datetime:
        """When the job is due next."""
        slots = self._jobs[name].slots
        return slots.following(slots.latest(self._clock.now()))

    async def last_runs(self, name: str, limit: int = 1) -> list[Run]:
        """The job's last runs in any process, newest first."""
        return await self._database.read(lambda connection: claims.last_runs(connection, name, limit))

    async def _claim(self, job: Job, slot: datetime) -> Claim:
        by = await self._claimant()
        return await self._database.write(lambda connection: claims.claim(connection, job.name, slot, by))

    async def _claimant(self) -> Claimant:
        return Claimant(self._owner, await self._database.now(), LEASE, self._database.exclusive)

    def _start(self, job: Job, slot: datetime) -> None:
        task = asyncio.create_task(self._work_off(job, slot), name=f"job {job.name}")
        self._running[job.name] = task

        def ended(task: asyncio.Task[None]) -> None:
            del self._running[job.name]
            if not task.cancelled() and (error := task.exception()):
                log.error("schedule.run_not_recorded", job=job.name, exc_info=error)
            self._wake.set()

        task.add_done_callback(ended)

    async def _work_off(self, job: Job, slot: datetime) -> None:
        log.info("schedule.job_started", job=job.name, slot=slot.isoformat())
        working = asyncio.ensure_future(job.work())
        holding = asyncio.create_task(self._hold(job, slot))
        try:
            await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                log.warning("schedule.job_taken_over", job=job.name, slot=slot.isoformat())
                return
            await self._finish(job, slot, working.exception())
        except asyncio.CancelledError:
            await _cancelled(working)  # before anybody else may start on the same slot
            await self._let_go(job, slot)
            raise
        finally:
            await _cancelled(working, holding)

    async def _hold(self, job: Job, slot: datetime) -> None:
        """Renew the lease for as long as it is ours; returns when it is not."""
        held = True
        while held:
            await self._clock.sleep(RENEW_EVERY_SECONDS)
            try:
                by = await self._claimant()
                held = await self._database.write(lambda connection: claims.renew(connection, job.name, slot, by))  # noqa: B023 - awaited here
            except Transient as error:  # the lease may run out meanwhile: then the next renewal says so
                log.warning("schedule.lease_not_renewed", job=job.name, error=str(error))

    async def _finish(self, job: Job, slot: datetime, error: BaseException | None) -> None:
        if error:
            log.error("schedule.job_failed", job=job.name, slot=slot.isoformat(), exc_info=error)
        else:
            log.info("schedule.job_finished", job=job.name, slot=slot.isoformat())
        told = f"{type(error).__name__}: {error}" if error else None
        now = await self._database.now()

        def work(connection: Connection) -> None:
            claims.finish(connection, job.name, slot, now, told)
            claims.forget_before(connection, job.name, slot - job.keep)

        await self._database.write(work)
        self._settled[job.name] = slot

    async def _let_go(self, job: Job, slot: datetime) -> None:
        try:
            by = await self._claimant()
            await self._database.write(lambda connection: claims.let_go(connection, job.name, slot, by))
        except Transient as error:
            log.warning("schedule.slot_not_let_go", job=job.name, error=str(error))

    async def _pause(self) -> None:
        waiting = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(self._clock.sleep(LOOK_EVERY_SECONDS))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


async def _cancelled(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
