"""Stopping and going on, and letting go what was held back: for the room that decides about it and writes it into the audit."""

from collections.abc import Callable

from sqlalchemy import Connection

from ferrata.delivery import held, stops
from ferrata.delivery.held import HeldExample, HeldFilter, HeldGroup
from ferrata.delivery.schemas import Family
from ferrata.delivery.stops import Stop, Stops
from ferrata.infra.database import Database

Note = Callable[[Connection], None]
"""Writes into the audit, in the same transaction."""


class Holding:
    def __init__(self, db: Database, known: Stops, forget_calm: Callable[[], None], wake: Callable[[str, Family], None]) -> None:
        self._db = db
        self._stops = known
        self._forget_calm = forget_calm
        self._wake = wake

    async def stopped(self) -> dict[str, Stop]:
        """By scope, as it stands in the database."""
        return await self._db.read(stops.all_stops)

    async def stop(self, stop: Stop, note: Note) -> bool:
        """Stop sending. What is on its way at this moment still arrives. False if it was stopped already."""

        def work(connection: Connection) -> bool:
            if not stops.put(connection, stop):
                return False
            note(connection)
            return True

        done = await self._db.write(work)
        await self._stops.refresh()
        self._forget_calm()
        return done

    async def resume(self, scope: str, note: Note) -> bool:
        """Let sending go on. False if it was not stopped."""

        def work(connection: Connection) -> bool:
            if stops.lift(connection, scope) is None:
                return False
            note(connection)
            return True

        done = await self._db.write(work)
        await self._stops.refresh()
        self._forget_calm()
        return done

    def wake(self, store_id: str) -> None:
        """Have the store's lanes look at once, in this process."""
        for family in Family:
            self._wake(store_id, family)

    async def groups(self, store_id: str) -> list[HeldGroup]:
        return await self._db.read(lambda connection: held.groups(connection, store_id))

    async def count(self, filter_: HeldFilter) -> int:
        return await self._db.read(lambda connection: held.count(connection, filter_))

    async def newest(self, filter_: HeldFilter, limit: int) -> list[HeldExample]:
        return await self._db.read(lambda connection: held.newest(connection, filter_, limit))

    async def release(self, filter_: HeldFilter, note: Callable[[Connection, int], None]) -> int:
        """Let go what fits, in steps; ``note`` is called in the transaction of each, with its number."""

        def work(connection: Connection) -> int:
            released = held.release(connection, filter_)
            if released:
                note(connection, released)
            return released

        total = 0
        while released := await self._db.write(work):
            total += released
            self.wake(filter_.store_id)
        return total
