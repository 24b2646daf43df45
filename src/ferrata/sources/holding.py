"""Holds leases for as long as this process lives: one process at a time works on a line or on a run through history."""

import structlog
from sqlalchemy import Connection

from ferrata.infra import leases
from ferrata.infra.database import Database
from ferrata.infra.errors import Transient
from ferrata.infra.leases import RENEW_EVERY_SECONDS, Lease
from ferrata.kit.clock import Clock

log = structlog.get_logger()


class Holding:
    """``owner`` names this process."""

    def __init__(self, database: Database, clock: Clock, owner: str) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._held: dict[str, Lease] = {}

    async def take(self, name: str) -> Lease | None:
        """The lease, if nobody else has it. It is renewed until it is given back."""
        if name in self._held:
            return self._held[name]
        now, exclusive = self._clock.now(), self._database.exclusive
        lease = await self._database.write(
            lambda connection: leases.take(connection, name, self._owner, now, exclusive=exclusive)
        )
        if lease:
            self._held[name] = lease
        return lease

    def lost(self, name: str) -> None:
        """Somebody else has it by now."""
        self._held.pop(name, None)

    async def give_back(self, *names: str) -> None:
        held = [lease for name in names if (lease := self._held.pop(name, None))]
        if not held:
            return
        now = self._clock.now()

        def work(connection: Connection) -> None:
            for lease in held:
                leases.release(connection, lease, now)

        try:
            await self._database.write(work)
        except Transient as error:  # they run out by themselves
            log.warning("sources.leases_not_freed", error=str(error))

    async def give_back_all(self) -> None:
        await self.give_back(*self._held)

    async def keep(self) -> None:
        """Renew what is held, until cancelled."""
        while True:
            await self._clock.sleep(RENEW_EVERY_SECONDS)
            held, now = [*self._held.values()], self._clock.now()
            if not held:
                continue
            try:
                lost = await self._database.write(lambda connection: leases.renew(connection, held, now))  # noqa: B023 - awaited here
            except Transient as error:
                log.warning("sources.leases_not_renewed", error=str(error))
                continue
            for lease in lost:
                log.warning("sources.lease_lost", lease=lease.name)
                self.lost(lease.name)
