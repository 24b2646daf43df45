"""Tells the workers of other processes that messages came. However many come meanwhile, one notice is under way at a time.

It is a transaction of its own, with nothing to write, after the messages are on disk: notices queue up behind one lock at their
commit, and keeping messages must not. If one is lost, with its process, a worker looks within a second anyway.
"""

import asyncio

import structlog

from ferrata.infra.database import Database
from ferrata.infra.database.notices import say
from ferrata.infra.errors import FerrataError

log = structlog.get_logger()

CHANNEL = "ferrata_sources"


class Bell:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._ringing: asyncio.Task[None] | None = None
        self._again = False

    def ring(self) -> None:
        """Say it; returns at once. To be called on the event loop."""
        if self._database.exclusive:
            return
        self._again = True
        if self._ringing is None:
            self._ringing = asyncio.create_task(self._ring())

    async def _ring(self) -> None:
        try:
            while self._again:
                self._again = False
                await self._database.write(lambda connection: say(connection, CHANNEL))
        except FerrataError as error:
            log.info("sources.not_told", reason=error.code)
        finally:
            self._ringing = None

    async def close(self) -> None:
        if self._ringing:
            self._ringing.cancel()
            await asyncio.gather(self._ringing, return_exceptions=True)
