"""The switch that stops all sending, or that of one store: what is accepted is kept as ever, and waits until it goes on.

What is stopped stands in the database. Every process looks once a second; the one in which it is switched knows at once.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.delivery.models import delivery_stops
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock

EVERYTHING = "*"
LOOK_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Stop:
    """``scope`` is a store's id, or ``EVERYTHING``."""

    scope: str
    by: str
    reason: str
    at: datetime

    @property
    def sentence(self) -> str:
        of = "All sending was" if self.scope == EVERYTHING else "Sending for this store was"
        why = f": {self.reason}" if self.reason else "."
        return f"{of} stopped by {self.by}{why}"


class Stops:
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._known: dict[str, Stop] = {}
        self._looked = float("-inf")

    def of(self, store_id: str) -> Stop | None:
        """What keeps this store from sending, as far as this process knows."""
        return self._known.get(EVERYTHING) or self._known.get(store_id)

    def known(self) -> dict[str, Stop]:
        """By scope."""
        return dict(self._known)

    async def look(self) -> None:
        """Know what other processes have switched, unless that was looked for within the last second."""
        if self._clock.monotonic() - self._looked >= LOOK_EVERY_SECONDS:
            await self.refresh()

    async def refresh(self) -> None:
        began = self._clock.monotonic()
        self._known = await self._db.read(all_stops)
        self._looked = began


def all_stops(connection: Connection) -> dict[str, Stop]:
    rows = connection.execute(select(delivery_stops))
    return {row.scope: Stop(row.scope, row.by, row.reason, row.at) for row in rows}


def put(connection: Connection, stop: Stop) -> bool:
    """False if that scope is stopped already; then it stays as it is."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"scope": stop.scope, "by": stop.by[:120], "reason": stop.reason[:500], "at": stop.at}
    statement = dialect.insert(delivery_stops).values(**values).on_conflict_do_nothing()
    return connection.execute(statement.returning(delivery_stops.c.scope)).first() is not None


def lift(connection: Connection, scope: str) -> Stop | None:
    """What was lifted; None if that scope was not stopped."""
    stop = all_stops(connection).get(scope)
    connection.execute(delete(delivery_stops).where(delivery_stops.c.scope == scope))
    return stop
