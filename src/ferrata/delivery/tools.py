"""What every lane of a worker is given: database, connections, time, chance, and how to wait on them."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from ferrata.connections.service import Connections
from ferrata.delivery.schedule import Chance, retry_delay
from ferrata.delivery.stops import Stops
from ferrata.delivery.watch import Watch
from ferrata.infra.database import Database, Work
from ferrata.infra.errors import Overloaded, StorageUnavailable
from ferrata.infra.telemetry import Telemetry
from ferrata.kit.clock import Clock

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tools:
    db: Database
    connections: Connections
    clock: Clock
    chance: Chance
    worker: str
    watch: Watch
    longest_age: timedelta = field(default=timedelta(days=30))
    telemetry: Telemetry | None = None
    stops: Stops | None = None

    def is_stopped(self, store_id: str) -> bool:
        """Whether somebody has switched sending off."""
        return self.stops is not None and self.stops.of(store_id) is not None

    def due(self, instant: datetime, longest: float) -> float:
        """A stored instant as monotonic seconds, at most ``longest`` from now: a clock that was set back makes nobody wait."""
        ahead = (instant - self.clock.now()).total_seconds()
        return self.clock.monotonic() + min(max(0.0, ahead), longest)

    async def pause(self, event: asyncio.Event, seconds: float) -> None:
        """Wait until the event is set, but no longer than so many seconds of the injected clock."""
        if event.is_set() or seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.clock.sleep(seconds))]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def patiently(self, work: Work[T]) -> T:
        """Write, trying again for as long as the database is away: what is known must not be forgotten."""
        failures = 0
        while True:
            try:
                return await self.db.write(work)
            except (StorageUnavailable, Overloaded) as error:
                failures += 1
                log.warning("delivery.database_away", failures=failures, error=str(error))
                await self.clock.sleep(min(5.0, retry_delay(failures, self.chance)))
