"""Walks along the chain and says what the first thing is that is not as it was sealed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ferrata.audit import chain_store, store
from ferrata.audit.chain import GENESIS, seal
from ferrata.audit.schemas import Anchor, Fault, Head, Verification
from ferrata.infra.database import Database

STEP = 1_000
SEALED_WITHIN = timedelta(minutes=5)
"""Sealing takes seconds; what is older and not in the chain was kept from it, or nothing runs."""


class _Walk:
    """How far it is in order."""

    def __init__(self, anchor: Anchor | None, noted: Head | None) -> None:
        self.head = Head(anchor.seq, anchor.hash) if anchor else Head(0, GENESIS)
        self.checked = 0
        self.fault: Fault | None = None
        self._noted = noted
        if noted and anchor and noted.seq == anchor.seq:
            self._compare_noted(None)

    def step(self, row: Any) -> None:
        """Go on to the next link."""
        seq = self.head.seq + 1
        if row.seq != seq:
            self.fault = Fault(seq, None, f"Record {seq} is missing: the chain goes on with {row.seq}.")
        elif row.id is None:
            self.fault = Fault(seq, row.record_id, f"Record {seq} ({row.record_id}) was deleted.")
        elif row.hash != seal(self.head.hash, seq, store.content(row)):
            self.fault = Fault(seq, row.id, f"Record {seq} ({row.id}) is not as it was sealed, or what stands before it is not.")
        else:
            self.head = Head(seq, row.hash)
            self.checked += 1
            self._compare_noted(row.id)

    def _compare_noted(self, record_id: str | None) -> None:
        noted = self._noted
        if noted and noted.seq == self.head.seq and noted.hash != self.head.hash:
            self.fault = Fault(noted.seq, record_id, f"Up to record {noted.seq} it is not the chain whose end was noted.")

    def end(self, anchor: Anchor | None) -> None:
        """Whether the noted end was ever reached."""
        noted = self._noted
        if noted and self.fault is None and noted.seq > self.head.seq:
            self.fault = Fault(noted.seq, None, f"The chain ends at {self.head.seq}; an end at {noted.seq} was noted earlier.")
        if noted and self.fault is None and anchor and noted.seq < anchor.seq:
            sentence = f"The noted end at {noted.seq} lies before the anchor at {anchor.seq}: note a newer one."
            self.fault = Fault(noted.seq, None, sentence)


async def verify(database: Database, now: datetime, kept_for: timedelta, noted: Head | None) -> Verification:
    """The whole chain, up to the first fault."""
    anchor, missing = await database.read(_surroundings)
    walk = _Walk(anchor, noted)
    while walk.fault is None:
        rows = await database.read(lambda connection: _rows(connection, walk.head.seq))
        for row in rows:
            walk.step(row)
            if walk.fault:
                break
        if not rows:
            break
    walk.end(anchor)
    count, old = await database.read(lambda connection: chain_store.unsealed(connection, now - SEALED_WITHIN))
    fault = walk.fault or _fault_around(anchor, kept_for, old, missing)
    return Verification(walk.checked, walk.head, count, anchor, fault)


def _surroundings(connection: Connection) -> tuple[Anchor | None, set[str]]:
    return chain_store.last_anchor(connection), set(chain_store.TRIGGERS) - chain_store.triggers(connection)


def _rows(connection: Connection, after: int) -> Sequence[Any]:
    return chain_store.links(connection, after, STEP)


def _fault_around(anchor: Anchor | None, kept_for: timedelta, old: str | None, missing: set[str]) -> Fault | None:
    if anchor and anchor.made_at - anchor.last_at < min(kept_for, timedelta(days=365)):
        return Fault(
            anchor.seq, None, f"Records up to {anchor.seq} were deleted before their time, on {anchor.made_at:%d %b %Y}."
        )
    if old:
        return Fault(None, old, f"Record {old} was never sealed. If Ferrata has been running since, it was kept from the chain.")
    if missing:
        return Fault(None, None, f"The database no longer refuses changes: {', '.join(sorted(missing))} is not in place.")
    return None
