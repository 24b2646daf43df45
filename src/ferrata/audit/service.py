"""Keeps who changed what: one record in the same transaction as the change, so that neither is there without the other."""

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import Connection

from ferrata.audit import store
from ferrata.audit.schemas import Actor, Record
from ferrata.infra.database import Database
from ferrata.infra.log_masking import mask_value
from ferrata.infra.paging import Page, make_cursor, read_cursor
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id


class Audit:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

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
        now = self._clock.now()
        bound = structlog.contextvars.get_contextvars().get("request_id")
        store.add(
            connection,
            Record(
                id=new_id(now),
                at=now,
                actor=actor,
                action=action,
                target=target,
                store_id=store_id,
                before=mask_value("", before or {}),
                after=mask_value("", after or {}),
                request_id=bound,
            ),
        )

    async def newest(self, cursor: str | None = None, limit: int = 50) -> Page[Record]:
        """The records, newest first.

        Raises:
            Rejected: the cursor is not one of ours.
        """
        before_id = read_cursor(cursor, 1)[0] if cursor else None
        rows = await self._database.read(lambda connection: store.newest(connection, before_id, limit + 1))
        more = len(rows) > limit
        return Page(tuple(rows[:limit]), make_cursor(rows[limit - 1].id) if more else None)
