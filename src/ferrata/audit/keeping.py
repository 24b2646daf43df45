"""Runs beside the doors: writes what was refused, and seals what was recorded, within seconds."""

import asyncio

import structlog

from ferrata.audit.service import Audit
from ferrata.infra.errors import Transient
from ferrata.kit.clock import Clock

log = structlog.get_logger()
LOOK_EVERY_SECONDS = 2.0


class Keeping:
    """The end of the chain goes to the log with every sealing: a copy of it where the database's administrator may not write."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        while not self._stopping.is_set():
            await self._round(everything=False)
            await self._pause()

    async def finish(self) -> None:
        """When nothing is accepted any more: write what was refused and is still being counted, and seal it all."""
        await self._round(everything=True)

    def stop(self) -> None:
        self._stopping.set()

    async def _round(self, *, everything: bool) -> None:
        try:
            await self._audit.write_refusals(everything=everything)
            head = await self._audit.seal()
        except Transient as error:
            log.warning("audit.cannot_seal", error=str(error))
            return
        if head:
            log.info("audit.sealed", sequence=head.seq, hash=head.hash)

    async def _pause(self) -> None:
        waiting = [asyncio.ensure_future(self._stopping.wait()), asyncio.ensure_future(self._clock.sleep(LOOK_EVERY_SECONDS))]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
