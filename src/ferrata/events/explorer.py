"""Finds events again: pages, one event's story, and the whole of them as a stream."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ferrata.delivery.schemas import State, Story
from ferrata.delivery.service import DeliveryService
from ferrata.events import queries
from ferrata.events.schemas import Event, EventFilter, Standing
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound
from ferrata.infra.paging import Page, make_cursor, read_cursor
from ferrata.kit.ids import first_id_at

STREAMED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class EventStory:
    """An event from its acceptance to Klaviyo's answer; ``story`` is None where there is nothing to deliver."""

    event: Event
    story: Story | None


class Explorer:
    def __init__(self, database: Database, delivery: DeliveryService) -> None:
        self._database = database
        self._delivery = delivery

    async def page(self, store_id: str, wanted: EventFilter, cursor: str | None, limit: int) -> Page[Standing]:
        """Newest first. With ``state`` or ``text`` a page may be short, even empty, and still have a next one.

        Raises:
            Rejected: the cursor was not made here.
        """
        before_id = read_cursor(cursor, 1)[0] if cursor else None
        if wanted.state in tuple(State):
            found = await self._page_in_state(store_id, wanted, State(wanted.state), before_id, limit)
        else:
            found = await self._database.read(lambda connection: queries.page(connection, store_id, wanted, before_id, limit))
        next_cursor = make_cursor(found.next_cursor) if found.next_cursor else None
        return Page(tuple(await self._standing(found.rows)), next_cursor)

    async def story(self, store_id: str, id_: str) -> EventStory:
        """Raises NotFound."""
        event = await self._database.read(lambda connection: queries.find(connection, store_id, id_))
        if event is None:
            raise NotFound(f"There is no event {id_[:60]!r} in this store.")
        return EventStory(event, await self._delivery.story(id_) if event.deliverable else None)

    async def stream(self, store_id: str, wanted: EventFilter) -> AsyncIterator[tuple[Standing, ...]]:
        """Every event that fits, newest first, in pieces; what is accepted meanwhile is left out."""
        cursor: str | None = None
        while True:
            found = await self.page(store_id, wanted, cursor, STREAMED_AT_ONCE)
            if found.rows:
                yield found.rows
            cursor = found.next_cursor
            if cursor is None:
                return

    async def _page_in_state(
        self, store_id: str, wanted: EventFilter, state: State, before_id: str | None, limit: int
    ) -> Page[Event]:
        ids = await self._delivery.ids_in_state(store_id, state, before_id, limit)
        rows = await self._database.read(lambda connection: queries.of_ids(connection, store_id, wanted, ids))
        is_last = len(ids) < limit or (wanted.since is not None and ids[-1] < first_id_at(wanted.since))
        return Page(tuple(rows), None if is_last else ids[-1])

    async def _standing(self, rows: tuple[Event, ...]) -> list[Standing]:
        states = await self._delivery.states([event.id for event in rows if event.deliverable]) if rows else {}
        return [Standing(event, states.get(event.id)) for event in rows]
