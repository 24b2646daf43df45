"""Looks every minute whether sources can be read and believed, and clears what is over."""

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import Connection

from ferrata.infra.database import Database
from ferrata.infra.errors import Transient
from ferrata.infra.incidents import open_incidents
from ferrata.kit.clock import Clock
from ferrata.sources import alarming, store
from ferrata.sources.configurations import Configurations
from ferrata.sources.schemas import LineKey

log = structlog.get_logger()


class Watching:
    def __init__(self, database: Database, clock: Clock, configurations: Configurations) -> None:
        self._database = database
        self._clock = clock
        self._configurations = configurations

    async def look(self) -> None:
        lines = [LineKey(store_id, kind) for store_id, kind, enabled in await self._configurations.all() if enabled]
        now = self._clock.now()
        await self._database.write(lambda connection: look(connection, lines, now))


def look(connection: Connection, lines: list[LineKey], now: datetime) -> None:
    """``lines`` are those of the sources that are set up and switched on."""
    away = store.unanswered(connection, now - alarming.CANNOT_READ_FOR)
    for line in lines:
        if line in away:
            since, reason = away[line]
            alarming.cannot_read(connection, line, alarming.API, since=since, reason=reason, now=now)
        else:
            alarming.reads_again(connection, line, alarming.API, now)
        alarming.look_at_unverified(connection, line, now)
    for kind in (alarming.KIND, alarming.UNVERIFIED):
        for incident in open_incidents(connection, kind):
            line = LineKey(incident.store_id, incident.subject.partition(" ")[0])
            if line not in lines:
                alarming.end_all(connection, line, now)
            if incident.condition.subject == line.kind and kind == alarming.KIND:
                alarming.look(connection, line, now)


class Silence:
    """Since when the queues that this process pulls from give nothing but errors: after a quarter of an hour it is told."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._since: dict[tuple[LineKey, object], datetime] = {}
        self._well: set[LineKey] = set()

    async def failed(self, line: LineKey, queue: object, reason: str) -> None:
        now = self._clock.now()
        since = self._since.setdefault((line, queue), now)
        self._well.discard(line)
        if now - since >= alarming.CANNOT_READ_FOR:
            await self._write(
                lambda connection: alarming.cannot_read(connection, line, alarming.QUEUE, since=since, reason=reason, now=now)
            )

    async def answered(self, line: LineKey, queue: object) -> None:
        self._since.pop((line, queue), None)
        if line in self._well or any(other == line for other, _ in self._since):
            return
        now = self._clock.now()
        if await self._write(lambda connection: alarming.reads_again(connection, line, alarming.QUEUE, now)):
            self._well.add(line)

    def forget(self, line: LineKey, queue: object) -> None:
        """Nobody pulls from it any more."""
        self._since.pop((line, queue), None)

    async def _write(self, work: Callable[[Connection], None]) -> bool:
        try:
            await self._database.write(work)
        except Transient as error:  # it is said again with the next attempt
            log.warning("sources.alert_not_written", error=str(error))
            return False
        return True
