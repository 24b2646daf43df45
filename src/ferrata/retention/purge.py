"""Deletes what is due, in small transactions: none holds a lock for long, and a run that is killed leaves each of them whole.

Nothing that Klaviyo has not got, and nobody has given up, is deleted. Two runs at once each delete what the other does not.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from ferrata.delivery.schemas import Forgotten
from ferrata.delivery.service import DeliveryService
from ferrata.events.service import Events
from ferrata.infra.database import Database
from ferrata.retention.schemas import Counts

STEP = 1_000
"""Rows of one transaction: some tens of milliseconds, which live events may have to wait for."""

Progress = Callable[[Connection, Counts], None]
"""Writes down what a transaction has deleted, inside it."""


class Purge:
    def __init__(self, database: Database, events: Events, delivery: DeliveryService) -> None:
        self._database = database
        self._events = events.forgetting
        self._delivery = delivery

    async def events(self, store_id: str, before: datetime, progress: Progress) -> Counts:
        """Delete the store's events of before that instant, with their deliveries and attempts, unless unfinished."""
        total, after = Counts(), ""
        while ids := await self._database.read(
            partial(self._events.ids_before, store_id=store_id, before=before, after_id=after, limit=STEP)
        ):
            total += await self._database.write(partial(self._forget_events, store_id=store_id, ids=ids, progress=progress))
            after = ids[-1]
        return total

    def _forget_events(self, connection: Connection, store_id: str, ids: Sequence[str], progress: Progress) -> Counts:
        ours = self._events.lock(connection, store_id, ids)
        unfinished = self._delivery.unfinished_ids(connection, ours)
        due = [id_ for id_ in ours if id_ not in unfinished]
        self._delivery.forget(connection, due)
        counts = Counts(events=self._events.forget(connection, store_id, due), kept_undelivered=len(unfinished))
        progress(connection, counts)
        return counts

    async def tellings(self, store_id: str, before: datetime) -> None:
        """Delete what was told of people and the catalogue before that instant, unless unfinished; what is known stays."""
        forget = partial(self._delivery.forgetting.forget_tellings, store_id=store_id, before=before, limit=STEP)
        while await self._database.write(forget):
            pass

    async def attempts(self, before: datetime, progress: Progress) -> Counts:
        """Delete attempts and batches of before that instant, of all stores, unless something of theirs is unfinished."""
        forgetting = self._delivery.forgetting
        in_use = await self._database.read(forgetting.batches_in_use)
        attempts = await self._until_none(partial(forgetting.forget_attempts, before=before, limit=STEP, batches_in_use=in_use))
        batches = await self._until_none(partial(forgetting.forget_batches, before=before, limit=STEP, batches_in_use=in_use))
        counts = Counts(attempts=attempts, batches=batches)
        await self._database.write(lambda connection: progress(connection, counts))
        return counts

    async def _until_none(self, forget: Callable[..., Forgotten]) -> int:
        total, after = 0, ""
        while True:
            forgotten: Forgotten = await self._database.write(partial(forget, after_id=after))
            total += forgotten.count
            if forgotten.last_id is None:
                return total
            after = forgotten.last_id

    async def counters(self, store_id: str, before: datetime) -> None:
        """Fold the store's counters of before that midnight into one row a day."""
        for forgetting in (self._events, self._delivery.forgetting):
            while await self._database.write(partial(forgetting.fold_counters, store_id=store_id, before=before)):
                pass
