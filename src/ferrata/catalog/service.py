"""The catalogue: takes what changed in the shop, knows the newest version of everything, and hands it to delivery."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ferrata.catalog import store
from ferrata.catalog.recording import Recording
from ferrata.catalog.rules import check, key_of, thing_id
from ferrata.catalog.schemas import CatalogChange, Counts, Kind, Presence, Recorded, Thing, ThingFilter
from ferrata.delivery.schemas import Delivery, Family, Story
from ferrata.delivery.service import DeliveryService
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound
from ferrata.infra.paging import Page
from ferrata.kit.clock import Clock

MOST_VARIANTS = 100


class Catalog:
    def __init__(self, database: Database, clock: Clock, delivery: DeliveryService) -> None:
        self._database = database
        self._clock = clock
        self._delivery = delivery

    def record(self, connection: Connection, store_id: str, changes: Sequence[CatalogChange], *, history: bool) -> Recorded:
        """Bring the catalogue up to these changes, in their order, and put what must be told to Klaviyo into the outbox.

        Works inside the caller's transaction; say ``wake`` after its commit. ``history``: never delays what is live. The same
        changes again, or older ones, change nothing.

        Raises:
            Rejected: Klaviyo knows no such attribute, or an id is unusable; nothing was written.
        """
        check(changes)
        recording = Recording(connection, self._delivery, store_id, self._clock.now(), history=history)
        return recording.record(changes) if changes else Recorded()

    def wake(self, store_id: str) -> None:
        """Say, after the commit, that something new waits."""
        self._delivery.wake(store_id, Family.CATALOG)

    async def page(self, filter_: ThingFilter, cursor: str | None = None, limit: int = 50) -> Page[Thing]:
        """What changed last first. Raises ``Rejected`` for a cursor that is not ours."""
        return await self._database.read(lambda connection: store.page(connection, filter_, cursor, limit))

    async def counts(self, store_id: str) -> Counts:
        """How many things of each kind the shop has."""
        return await self._database.read(lambda connection: store.counts(connection, store_id))

    async def get(self, store_id: str, kind: Kind, external_id: str) -> Thing:
        """Raises NotFound."""
        id_ = thing_id(store_id, kind, external_id)
        found = (await self._database.read(lambda connection: store.find_all(connection, [id_]))).get(id_)
        if found is None or found.presence is Presence.UNHEARD:
            raise NotFound(f"There is no {kind} {external_id!r} in this store's catalogue.")
        return found

    async def deliveries(self, things: Sequence[Thing]) -> dict[str, Delivery]:
        """The newest delivery of each, by its id."""
        return await self._delivery.states([thing.delivery_id for thing in things if thing.delivery_id])

    async def told(self, thing: Thing) -> list[Delivery]:
        """Every delivery of it that retention has not deleted, newest first."""
        return await self._delivery.of_thing(thing.store_id, Family.CATALOG, key_of(thing.kind, thing.external_id))

    async def variants(self, thing: Thing) -> tuple[Thing, ...]:
        """The first hundred variants of an item."""
        if thing.kind != "item":
            return ()
        return (await self.page(ThingFilter(thing.store_id, kind="variant", item=thing.external_id), None, MOST_VARIANTS)).rows

    async def story(self, thing: Thing) -> Story | None:
        """What became of its newest delivery; None where nothing was delivered yet, or that has been forgotten."""
        return await self._delivery.story(thing.delivery_id) if thing.delivery_id else None
