"""Orphaned profiles: those of whom no event is kept, and that neither an event nor a reading of Klaviyo has touched lately.

Untouched since the cutoff means that every event of theirs was accepted before it; so only what is left from before counts.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from ferrata.delivery.service import DeliveryService
from ferrata.events.service import Events
from ferrata.infra.database import Database
from ferrata.profiles.schemas import Untouched
from ferrata.profiles.service import Profiles
from ferrata.retention.purge import STEP, Progress
from ferrata.retention.schemas import Counts

_EMAIL = "email:"


class Orphans:
    def __init__(self, database: Database, events: Events, profiles: Profiles, delivery: DeliveryService) -> None:
        self._database = database
        self._events = events.forgetting
        self._profiles = profiles.forgetting
        self._delivery = delivery.forgetting

    async def delete(self, store_id: str, before: datetime, progress: Progress) -> Counts:
        """Delete the store's orphans that nothing has touched since that instant."""
        total = Counts()
        async for ids in self._found(store_id, before):
            total += await self._database.write(partial(self._forget, ids=ids, before=before, progress=progress))
        return total

    def _forget(self, connection: Connection, ids: Sequence[str], before: datetime, progress: Progress) -> Counts:
        counts = Counts(profiles=self._profiles.forget_untouched(connection, ids, before))
        progress(connection, counts)
        return counts

    async def count(self, store_id: str, before: datetime) -> int:
        """How many there are at this moment."""
        return sum([len(ids) async for ids in self._found(store_id, before)])

    async def count_after_purge(self, store_id: str, before: datetime) -> int:
        """How many there will be once every event of before that instant is deleted that may be."""
        kept = await self._database.read(partial(self._delivery.unfinished_persons_before, store_id=store_id, before=before))
        return sum([sum(each.person not in kept for each in some) async for some in self._untouched(store_id, before)])

    async def _found(self, store_id: str, before: datetime) -> AsyncIterator[list[str]]:
        others = await self._database.read(partial(self._delivery.nameless_persons_before, store_id=store_id, before=before))
        async for untouched in self._untouched(store_id, before):
            ids = await self._database.read(partial(self._without_events, store_id=store_id, untouched=untouched, others=others))
            if ids:
                yield ids

    def _without_events(
        self, connection: Connection, store_id: str, untouched: Sequence[Untouched], others: set[str]
    ) -> list[str]:
        emails = [each.person.removeprefix(_EMAIL) for each in untouched if each.person.startswith(_EMAIL)]
        in_use = others | {_EMAIL + email for email in self._events.emails_in_use(connection, store_id, emails)}
        return [each.id for each in untouched if each.person not in in_use]

    async def _untouched(self, store_id: str, before: datetime) -> AsyncIterator[list[Untouched]]:
        after: Untouched | None = None
        while found := await self._database.read(
            partial(self._profiles.untouched_since, store_id=store_id, since=before, after=after, limit=STEP)
        ):
            yield found
            after = found[-1]
