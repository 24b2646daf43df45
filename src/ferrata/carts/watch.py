"""Looks again and again for carts whose silence has lasted long enough. Any number of processes may do so."""

import asyncio

import structlog

from ferrata.carts.service import SWEPT_AT_ONCE, Carts
from ferrata.infra.errors import FerrataError
from ferrata.kit.clock import Clock

LOOK_EVERY_SECONDS = 5.0
FORGET_EVERY_SECONDS = 3600.0
log = structlog.get_logger()


class Watch:
    def __init__(self, carts: Carts, clock: Clock) -> None:
        self._carts = carts
        self._clock = clock
        self._stopping = asyncio.Event()
        self._forgotten_at = float("-inf")

    async def run(self) -> None:
        """Look until ``stop``."""
        while not self._stopping.is_set():
            full = False
            try:
                full = await self.look()
            except FerrataError as error:  # the database is away: nothing is lost, the next look finds the same
                log.warning("carts.cannot_look", error=str(error))
            if not full:
                await self._pause()

    def stop(self) -> None:
        self._stopping.set()

    async def look(self) -> bool:
        """One look; whether there may be more at once."""
        swept = await self._carts.sweep()
        if swept.abandoned or swept.ordered:
            log.info("carts.swept", abandoned=swept.abandoned, ordered=swept.ordered)
        if self._clock.monotonic() - self._forgotten_at >= FORGET_EVERY_SECONDS:
            self._forgotten_at = self._clock.monotonic()
            if gone := await self._carts.forget():
                log.info("carts.forgotten", carts=gone)
        return swept.looked_at == SWEPT_AT_ONCE and swept.overtaken < swept.looked_at

    async def _pause(self) -> None:
        waiting = [asyncio.ensure_future(self._stopping.wait()), asyncio.ensure_future(self._clock.sleep(LOOK_EVERY_SECONDS))]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
