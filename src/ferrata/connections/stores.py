"""The stores of this installation: each has its own events, tokens, lanes and connection."""

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import SYSTEM, Actor
from ferrata.audit.service import Audit
from ferrata.connections import store_rows as rows
from ferrata.connections.errors import LastStore, StoreArchived, StoreExists
from ferrata.connections.schemas import Status, Store, StoreFilter, StoreOverview
from ferrata.connections.store_checks import check, check_confirmation
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound
from ferrata.infra.paging import Page
from ferrata.kit.clock import Clock

DEFAULT = "default"
KNOWN_SECONDS = 1.0
_SIGNS = "23456789abcdefghjkmnpqrstuvwxyz"  # without those that look alike

Emptied = Callable[[Transaction, str, Actor], None]


@dataclass(frozen=True, slots=True)
class _Known:
    store: Store
    until: float


class Stores:
    """What is known of a store is at most a second old."""

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._known: dict[str, _Known] = {}
        self._looking: set[str] = set()
        self._archiving: list[Emptied] = []

    def on_archive(self, emptied: Emptied) -> None:
        """Have ``emptied(transaction, store_id, actor)`` called inside the transaction that archives a store."""
        self._archiving.append(emptied)

    async def one(self, store_id: str) -> Store:
        """In use or archived. Raises NotFound."""
        known = self._known.get(store_id)
        if known and (self._clock.monotonic() < known.until or store_id in self._looking):
            return known.store
        self._looking.add(store_id)  # of all the requests of one moment, one looks again
        try:
            store = await self._database.read(lambda transaction: rows.find_store(transaction, store_id))
        finally:
            self._looking.discard(store_id)
        if store is None:
            self._known.pop(store_id, None)
            raise NotFound(f"There is no store {store_id!r}.")
        return self._keep(store)

    async def all(self) -> list[Store]:
        """Those in use, the oldest first."""
        return [store for store in await self.every() if store.archived_at is None]

    async def every(self) -> list[Store]:
        """Also the archived ones, the oldest first."""
        return [self._keep(store) for store in await self._database.read(rows.all_stores)]

    async def page(self, wanted: StoreFilter, cursor: str | None = None, limit: int = 50) -> Page[StoreOverview]:
        """Stores with how their connection is.

        Raises:
            Rejected: the cursor is not one of ours.
        """
        return await self._database.read(lambda transaction: rows.page_of_stores(transaction, wanted, cursor, limit))

    async def counts(self, ids: frozenset[str] | None = None) -> dict[Status, int]:
        """How many stores in use there are of each status; ``ids`` None: all of them."""
        return await self._database.read(lambda transaction: rows.counts(transaction, ids))

    async def choose(self, named: str | None) -> str:
        """The id of the store that is named, else of the first.

        Raises:
            NotFound: there is no such store.
            StoreArchived: it is put away.
        """
        if named is None:
            named = await self._first()
        store = await self.one(named)
        if store.archived_at:
            raise StoreArchived
        return store.id

    async def _first(self) -> str:
        if DEFAULT in self._known and self._known[DEFAULT].store.archived_at is None:
            return DEFAULT
        found = await self.all()
        if not found:
            raise NotFound("There is no store yet.")
        return next((store.id for store in found if store.id == DEFAULT), found[0].id)

    async def create(
        self, store_id: str | None, name: str, *, actor: Actor, time_zone: str = "UTC", currency: str = "EUR"
    ) -> Store:
        """Add a store; without an id it gets one of seven signs.

        Raises:
            Rejected: the id, name, time zone (IANA) or currency (ISO 4217) cannot be taken.
            StoreExists: there is one with this id, in small or in capital letters.
        """
        made_id = store_id or "".join(secrets.choice(_SIGNS) for _ in range(7))
        store = Store(made_id, name.strip(), time_zone, currency, self._clock.now())
        check(store)

        def work(transaction: Transaction) -> None:
            if not rows.add_store(transaction, store):
                raise StoreExists
            self._audit.record(
                transaction, actor, "connections.store_created", f"store/{store.id}", store_id=store.id, after=_told(store)
            )

        await self._database.write(work)
        return store

    async def change(
        self,
        store_id: str,
        *,
        actor: Actor,
        name: str | None = None,
        time_zone: str | None = None,
        currency: str | None = None,
    ) -> Store:
        """Rename a store, or change in which zone its times are shown and what money is meant; None leaves as it is.

        Raises:
            NotFound: there is no such store.
            StoreArchived: it is put away: restore it first.
            Rejected: the name, time zone or currency cannot be taken.
        """

        def work(transaction: Transaction) -> Store:
            before = self._in_use(transaction, store_id)
            after = replace(
                before,
                name=before.name if name is None else name.strip(),
                time_zone=time_zone or before.time_zone,
                currency=currency or before.currency,
            )
            check(after)
            if after != before:
                rows.update_store(transaction, after)
                told = {"before": _told(before), "after": _told(after)}
                self._audit.record(
                    transaction, actor, "connections.store_changed", f"store/{store_id}", store_id=store_id, **told
                )
            return after

        return self._keep(await self._database.write(work))

    async def archive(self, store_id: str, *, confirm: str, actor: Actor) -> Store:
        """Put a store away: it is disconnected, takes nothing in and is shown no more. What it has is kept.

        Raises:
            NotFound: there is no such store.
            StoreArchived: it is already.
            Rejected: ``confirm`` does not repeat the store's id.
            LastStore: no other is in use.
        """
        now = self._clock.now()

        def work(transaction: Transaction) -> Store:
            before = self._in_use(transaction, store_id)
            check_confirmation(before, confirm)
            if rows.count_in_use(transaction) < 2:
                raise LastStore
            after = replace(before, archived_at=now)
            rows.update_store(transaction, after)
            for emptied in self._archiving:
                emptied(transaction, store_id, actor)
            self._audit.record(transaction, actor, "connections.store_archived", f"store/{store_id}", store_id=store_id)
            return after

        return self._keep(await self._database.write(work))

    async def restore(self, store_id: str, *, actor: Actor) -> Store:
        """Take an archived store into use again; it is to be connected anew. One in use stays as it is. Raises NotFound."""

        def work(transaction: Transaction) -> Store:
            before = rows.find_store(transaction, store_id)
            if before is None:
                raise NotFound(f"There is no store {store_id!r}.")
            if before.archived_at:
                rows.update_store(transaction, replace(before, archived_at=None))
                self._audit.record(transaction, actor, "connections.store_restored", f"store/{store_id}", store_id=store_id)
            return replace(before, archived_at=None)

        return self._keep(await self._database.write(work))

    async def ensure_default(self) -> str:
        """Make the store ``default`` if there is none at all; several starting processes make one. Returns the first's id."""
        if not await self.every():
            first = Store(DEFAULT, "Default store", "UTC", "EUR", self._clock.now())

            def work(transaction: Transaction) -> None:
                if rows.add_store(transaction, first):
                    self._audit.record(transaction, SYSTEM, "connections.store_created", f"store/{DEFAULT}", store_id=DEFAULT)

            await self._database.write(work)
        return await self.choose(None)

    def _in_use(self, transaction: Transaction, store_id: str) -> Store:
        store = rows.find_store(transaction, store_id, for_update=True)
        if store is None:
            raise NotFound(f"There is no store {store_id!r}.")
        if store.archived_at:
            raise StoreArchived
        return store

    def _keep(self, store: Store) -> Store:
        self._known[store.id] = _Known(store, self._clock.monotonic() + KNOWN_SECONDS)
        return store


def _told(store: Store) -> dict[str, str]:
    told = asdict(store)
    return {field: told[field] for field in ("name", "time_zone", "currency")}
