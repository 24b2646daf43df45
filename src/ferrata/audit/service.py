"""Keeps who changed what, in the same transaction as the change, so that neither is there without the other; and who was
refused what. Rows are only added; ``keeping.py`` seals them into a chain.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from ferrata.audit import chain_store, store
from ferrata.audit.forgetting import Forgetting
from ferrata.audit.refusals import Refusals
from ferrata.audit.schemas import Actor, AuditFilter, Behind, Count, Head, Record, Refused, Verification
from ferrata.audit.sentences import risk_of
from ferrata.audit.verifying import SEALED_WITHIN, verify
from ferrata.infra.caller import current_caller
from ferrata.infra.database import Database
from ferrata.infra.log_masking import mask_value
from ferrata.infra.paging import Page, make_cursor, read_cursor
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id

SEALED_AT_ONCE = 500
EXPORTED_AT_ONCE = 500


class Audit:
    def __init__(self, database: Database, clock: Clock, *, kept_for: timedelta = timedelta(days=2_557)) -> None:
        self._database = database
        self._clock = clock
        self._refusals = Refusals(clock)
        self.forgetting = Forgetting(database, clock, self.record, kept_for)

    def record(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        target: str,
        *,
        store_id: str | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Note a change within the caller's transaction. ``action`` reads ``room.thing_done``; values are masked here."""
        now, caller = self._clock.now(), current_caller()
        record = Record(
            id=new_id(now),
            at=now,
            actor=actor,
            action=action,
            target=target,
            store_id=store_id,
            before=mask_value("", before or {}),
            after=mask_value("", after or {}),
            request_id=caller.request_id if caller else None,
            address=caller.address if caller else None,
            via=caller.via if caller else None,
        )
        store.add(connection, [record])

    def refused(self, refused: Refused) -> None:
        """Note an attempt that was refused. It is written in a moment, together with what is like it; nobody waits for that."""
        caller = current_caller()
        if caller and refused.request_id is None:
            refused = Refused(
                refused.actor,
                refused.code,
                refused.target,
                refused.at,
                refused.action,
                refused.store_id,
                refused.detail,
                caller.request_id,
                refused.address or caller.address,
                refused.via or caller.via,
            )
        self._refusals.note(refused)

    async def write_refusals(self, *, everything: bool = False) -> int:
        """Write what was refused since the last time; returns how many records that were.

        Raises:
            StorageUnavailable, Overloaded: none was written; they are kept for the next time.
        """
        records = self._refusals.due(everything=everything)
        if not records:
            return 0
        try:
            await self._database.write(lambda connection: store.add(connection, records))
        except BaseException:
            self._refusals.give_back(records)
            raise
        return len(records)

    async def seal(self) -> Head | None:
        """Bring what waits into the chain; returns its new end, None if nothing waited."""
        last = None
        while await self._database.read(chain_store.is_anything_unsealed):
            now = self._clock.now()
            sealed = await self._database.write(lambda connection: chain_store.seal_some(connection, now, SEALED_AT_ONCE))  # noqa: B023 - awaited here
            if sealed is None:
                break  # somebody else has done it, or a record is missing: then verifying tells
            last = sealed
        return last

    async def behind(self) -> Behind | None:
        """What waits to be sealed although that takes seconds; None if nothing has waited for long."""
        found = await self._database.read(chain_store.waiting)
        return found if found and self._clock.now() - found.since > SEALED_WITHIN else None

    async def head(self) -> Head:
        """The end of the chain, to be noted elsewhere."""
        return await self._database.read(chain_store.head)

    async def verify(self, noted: Head | None = None) -> Verification:
        """Walk along the whole chain, up to the first fault. ``noted``: an end of it that was noted earlier."""
        return await verify(self._database, self._clock.now(), self.forgetting.kept_for, noted)

    async def newest(self, cursor: str | None = None, limit: int = 50) -> Page[Record]:
        """The records, newest first. Raises Rejected if the cursor is not one of ours."""
        return await self.page(AuditFilter(), cursor, limit)

    async def page(self, filter_: AuditFilter, cursor: str | None = None, limit: int = 50) -> Page[Record]:
        """Those that fit, newest first.

        Raises:
            Rejected: the cursor is not one of ours.
        """
        before_id = read_cursor(cursor, 1)[0] if cursor else None
        rows = await self._database.read(lambda connection: store.newest(connection, filter_, before_id, limit + 1))
        more = len(rows) > limit
        return Page(tuple(rows[:limit]), make_cursor(rows[limit - 1].id) if more else None)

    async def all(self, filter_: AuditFilter) -> AsyncIterator[Record]:
        """Every record that fits, newest first, without holding them all."""
        cursor: str | None = None
        while True:
            page = await self.page(filter_, cursor, EXPORTED_AT_ONCE)
            for record in page.rows:
                yield record
            cursor = page.next_cursor
            if cursor is None:
                return

    async def counts(self, filter_: AuditFilter) -> list[Count]:
        """The compliance report: how often what was done or refused, with its risk."""
        rows = await self._database.read(lambda connection: store.counts(connection, filter_))
        return [
            Count(action, "refused" if outcome == "refused" else "done", risk_of(action, outcome), records, attempts)
            for action, outcome, records, attempts in rows
        ]

    async def actions(self) -> list[str]:
        """The names of everything that was ever noted."""
        return await self._database.read(store.actions)
