"""Shows that this process is alive, and whether it delivers: one row that it touches every few seconds.

Every process can tell from these rows how the others fare. Touching the row is also the proof that the database can be written.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.health.models import processes
from ferrata.infra.database import Database
from ferrata.infra.errors import Transient
from ferrata.kit.clock import Clock

log = structlog.get_logger()

FIRST_BEAT_SECONDS = 0.5
"""By then a worker of this process goes round."""

BEAT_EVERY_SECONDS = 5.0
ALIVE_FOR = timedelta(seconds=20)
FORGOTTEN_AFTER = timedelta(days=1)


class Presence:
    """``works`` tells whether this process delivers at this moment."""

    def __init__(self, database: Database, clock: Clock, name: str, works: Callable[[], bool]) -> None:
        self._database = database
        self._clock = clock
        self._name = name
        self._works = works
        self._started_at = clock.now()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Beat until ``stop``; then take the row away, so that nobody believes in this process any longer."""
        await self._pause(FIRST_BEAT_SECONDS)
        while not self._stop.is_set():
            try:
                await self.beat()
            except Transient as error:
                log.warning("health.beat_missed", error=str(error))
            await self._pause(BEAT_EVERY_SECONDS)
        try:
            await self._database.write(
                lambda connection: connection.execute(delete(processes).where(processes.c.name == self._name))
            )
        except Transient as error:
            log.warning("health.row_left_behind", error=str(error))

    def stop(self) -> None:
        self._stop.set()

    async def beat(self) -> None:
        """Touch the row now.

        Raises:
            StorageUnavailable, Overloaded: the database cannot be written at this moment.
        """
        now, works = await self._database.now(), self._works()
        await self._database.write(lambda connection: self._touch(connection, now, works))

    def _touch(self, connection: Connection, now: datetime, works: bool) -> None:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        row = dialect.insert(processes).values(name=self._name, works=works, started_at=self._started_at, seen_at=now)
        seen = {"works": row.excluded.works, "seen_at": row.excluded.seen_at}
        connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=seen))
        connection.execute(delete(processes).where(processes.c.seen_at < now - FORGOTTEN_AFTER))

    async def working(self) -> int:
        """How many processes deliver, this one included."""
        since = await self._database.now() - ALIVE_FOR
        query = select(func.count()).where(processes.c.works.is_(True), processes.c.seen_at > since)
        return await self._database.read(lambda connection: connection.execute(query).scalar_one())

    async def _pause(self, seconds: float) -> None:
        waiting = [asyncio.ensure_future(self._stop.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
