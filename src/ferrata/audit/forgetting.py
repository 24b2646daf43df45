"""Deletes what is older than the audit is kept for: the beginning of the chain, after an anchor has been set at its end.

The anchor stays for good. It says up to where records were deleted, when, and the hash from which the rest goes on.
"""

from collections.abc import Callable
from datetime import timedelta

from ferrata.audit import chain_store
from ferrata.audit.schemas import SYSTEM, Actor
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock

STEP = 1_000


class Forgetting:
    def __init__(self, database: Database, clock: Clock, record: Callable[..., None], kept_for: timedelta) -> None:
        self.kept_for = kept_for
        self._database = database
        self._clock = clock
        self._record = record

    async def run(self, actor: Actor = SYSTEM) -> int:
        """Delete what is due, in small transactions; broken off anywhere, the next run goes on. Returns how many records."""
        now = self._clock.now()
        anchor = await self._database.write(lambda connection: chain_store.anchor_before(connection, now - self.kept_for, now))
        total = 0
        while anchor and (
            deleted := await self._database.write(lambda connection: chain_store.delete_anchored(connection, anchor, STEP))
        ):
            total += deleted
        if anchor and total:
            after = {"records": total, "up_to": anchor.seq, "last_at": anchor.last_at.isoformat()}
            await self._database.write(
                lambda connection: self._record(connection, actor, "audit.old_records_deleted", "audit", after=after)
            )
        return total
