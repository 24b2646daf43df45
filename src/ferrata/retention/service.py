"""Retention: what is kept for how long, how much is due, and the runs that delete it.

Events go by the day of UTC on which they were accepted, and only once Klaviyo has them or somebody has given them up; profiles
when nothing is left of them; attempts, batches and counters after periods of their own.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from ferrata.audit.schemas import SYSTEM, Actor
from ferrata.audit.service import Audit
from ferrata.connections.service import Connections
from ferrata.delivery.service import DeliveryService
from ferrata.events.service import Events
from ferrata.infra.database import Database
from ferrata.infra.errors import FerrataError
from ferrata.infra.paging import Page
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.profiles.service import Profiles
from ferrata.retention import store
from ferrata.retention.cutoff import cutoff_day, midnight
from ferrata.retention.orphans import Orphans
from ferrata.retention.purge import Purge
from ferrata.retention.schemas import CleanupRun, Counts, Policy, RunState, Statistics, Trigger

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Retained:
    """The rooms whose data is kept and deleted here."""

    connections: Connections
    delivery: DeliveryService
    profiles: Profiles
    events: Events


class Retention:
    def __init__(self, database: Database, clock: Clock, audit: Audit, policy: Policy, rooms: Retained) -> None:
        self.policy = policy
        self._database = database
        self._clock = clock
        self._audit = audit
        self._connections = rooms.connections
        self._delivery = rooms.delivery.forgetting
        self._profiles = rooms.profiles.forgetting
        self._events = rooms.events.forgetting
        self._purge = Purge(database, rooms.events, rooms.delivery)
        self._orphans = Orphans(database, rooms.events, rooms.profiles, rooms.delivery)

    async def statistics(self, store_id: str | None = None) -> Statistics:
        """How much is kept and how much of it is due, of one store or of all."""
        day = cutoff_day(self._clock.now(), self.policy.event_days)
        before = midnight(day)
        found = Statistics(0, 0, 0, 0, 0, self.policy.event_days, day)
        for each in await self._stores(store_id):

            def counted(connection: Connection, of: str = each) -> tuple[int, int, int, int]:
                return (
                    self._events.count(connection, of),
                    self._events.count(connection, of, before),
                    self._delivery.unfinished_before(connection, of, before),
                    self._profiles.count(connection, of),
                )

            events, old, unfinished, profiles = await self._database.read(counted)
            found = replace(
                found,
                total_events=found.total_events + events,
                events_to_delete=found.events_to_delete + max(0, old - unfinished),
                kept_undelivered=found.kept_undelivered + unfinished,
                total_profiles=found.total_profiles + profiles,
                orphaned_profiles=found.orphaned_profiles + await self._orphans.count(each, before),
            )
        return found

    async def preview(self, store_id: str | None = None) -> Counts:
        """What a run would delete of events and profiles now."""
        statistics = await self.statistics(store_id)
        before = midnight(statistics.cutoff_day)
        orphans = [await self._orphans.count_after_purge(each, before) for each in await self._stores(store_id)]
        return Counts(events=statistics.events_to_delete, profiles=sum(orphans), kept_undelivered=statistics.kept_undelivered)

    async def clean_up(self, store_id: str | None = None, *, trigger: Trigger, actor: Actor = SYSTEM) -> CleanupRun:
        """Delete what is due, of one store or, with attempts, batches and counters too, of all.

        Raises:
            StorageUnavailable: it is not finished, and recorded as failed if that can be; the next run goes on.
        """
        run = await self._begin(store_id, trigger, actor)
        try:
            counts = await self._delete(run)
        except Exception as error:
            await self._note_failure(run, error)
            raise
        ended = replace(run, finished_at=self._clock.now(), state=RunState.DONE, counts=counts)

        def work(connection: Connection) -> None:
            store.finish(connection, run.id, ended.finished_at or run.started_at, None)
            if trigger is Trigger.MANUAL:
                after = {"events": counts.events, "profiles": counts.profiles, "cutoff_day": run.cutoff_day.isoformat()}
                self._audit.record(connection, actor, "retention.cleaned_up", f"cleanup/{run.id}", store_id=store_id, after=after)

        await self._database.write(work)
        log.info("retention.cleaned_up", run=run.id, events=counts.events, profiles=counts.profiles, kept=counts.kept_undelivered)
        return ended

    async def runs(self, store_id: str | None = None, cursor: str | None = None, limit: int = 50) -> Page[CleanupRun]:
        """The history, newest first; of one store with the runs over all stores.

        Raises:
            Rejected: the cursor is not one of ours.
        """
        now = self._clock.now()
        return await self._database.read(lambda connection: store.newest(connection, store_id, cursor, limit, now))

    async def _stores(self, store_id: str | None) -> list[str]:
        return [store_id] if store_id else [each.id for each in await self._connections.registry.every()]

    async def _begin(self, store_id: str | None, trigger: Trigger, actor: Actor) -> CleanupRun:
        now = self._clock.now()
        run = CleanupRun(
            id=new_id(now),
            store_id=store_id,
            trigger=trigger,
            actor=actor.name[:255],
            retention_days=self.policy.event_days,
            cutoff_day=cutoff_day(now, self.policy.event_days),
            started_at=now,
            finished_at=None,
            state=RunState.RUNNING,
            error=None,
            counts=Counts(),
        )
        await self._database.write(lambda connection: store.begin(connection, run))
        return run

    async def _delete(self, run: CleanupRun) -> Counts:
        def progress(connection: Connection, more: Counts) -> None:
            store.progress(connection, run.id, more, self._clock.now())

        before, total = midnight(run.cutoff_day), Counts()
        stores = await self._stores(run.store_id)
        for store_id in stores:
            total += await self._purge.events(store_id, before, progress)
            await self._purge.tellings(store_id, before)
            total += await self._orphans.delete(store_id, before, progress)
        if run.store_id is None:
            total += await self._purge.attempts(self._day(run.started_at, self.policy.attempt_days), progress)
            counters_before = self._day(run.started_at, self.policy.counter_days)
            for store_id in stores:
                await self._purge.counters(store_id, counters_before)
            await self._database.write(lambda connection: store.forget_before(connection, counters_before))
        return total

    def _day(self, now: datetime, days: int) -> datetime:
        return midnight(cutoff_day(now, days))

    async def _note_failure(self, run: CleanupRun, error: Exception) -> None:
        log.error("retention.cleanup_failed", run=run.id, error=str(error))
        told = f"{type(error).__name__}: {error}"
        try:
            await self._database.write(lambda connection: store.finish(connection, run.id, self._clock.now(), told))
        except FerrataError as unrecorded:
            log.error("retention.failure_not_recorded", run=run.id, error=str(unrecorded))
