"""The stores of this installation: each has its own events, tokens, lanes and connection."""

import re
from zoneinfo import available_timezones

from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import SYSTEM, Actor
from ferrata.audit.service import Audit
from ferrata.connections import store as rows
from ferrata.connections.errors import StoreExists
from ferrata.connections.schemas import Store
from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.kit.clock import Clock
from ferrata.kit.names import is_name

DEFAULT = "default"
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")


class Stores:
    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._known: dict[str, Store] = {}

    async def one(self, store_id: str) -> Store:
        """Raises NotFound."""
        if store_id not in self._known:
            await self.all()
        if store_id not in self._known:
            raise NotFound(f"There is no store {store_id!r}.")
        return self._known[store_id]

    async def all(self) -> list[Store]:
        """The oldest first. Stores are never removed, so one that was seen once is known for good."""
        found = await self._database.read(rows.all_stores)
        self._known.update({store.id: store for store in found})
        return found

    async def choose(self, named: str | None) -> str:
        """The id of the store that is named, else of the first; raises NotFound if there is no such store."""
        if named is None and DEFAULT in self._known:
            return DEFAULT
        if named is not None:
            return (await self.one(named)).id
        found = await self.all()
        if not found:
            raise NotFound("There is no store yet.")
        return DEFAULT if DEFAULT in self._known else found[0].id

    async def create(self, store_id: str, name: str, *, actor: Actor, time_zone: str = "UTC", currency: str = "EUR") -> Store:
        """Add a store.

        Raises:
            Rejected: the id, name, time zone (IANA) or currency (ISO 4217) cannot be taken.
            StoreExists: there is one with this id.
        """
        store = Store(store_id, name.strip(), time_zone, currency, self._clock.now())
        _check(store)

        def work(transaction: Transaction) -> None:
            if not rows.add_store(transaction, store):
                raise StoreExists
            after = {"name": store.name, "time_zone": time_zone, "currency": currency}
            self._audit.record(
                transaction, actor, "connections.store_created", f"store/{store_id}", store_id=store_id, after=after
            )

        await self._database.write(work)
        return store

    async def ensure_default(self) -> str:
        """Make the store ``default`` if there is none at all; several starting processes make one. Returns the first's id."""
        if not await self.all():
            first = Store(DEFAULT, "Default store", "UTC", "EUR", self._clock.now())

            def work(transaction: Transaction) -> None:
                if rows.add_store(transaction, first):
                    self._audit.record(transaction, SYSTEM, "connections.store_created", f"store/{DEFAULT}", store_id=DEFAULT)

            await self._database.write(work)
        return await self.choose(None)


def _check(store: Store) -> None:
    problems = []
    if not _ID.match(store.id):
        problems.append(Problem("id", "id must be 1 to 32 small letters, digits and hyphens, such as my-shop"))
    if not is_name(store.name):
        problems.append(Problem("name", "name must have 1 to 120 characters in one line"))
    if store.time_zone not in available_timezones():
        problems.append(Problem("timeZone", "timeZone must be a name such as Europe/Berlin"))
    if not _CURRENCY.match(store.currency):
        problems.append(Problem("currency", "currency must be three letters such as EUR"))
    if problems:
        raise Rejected(problems=tuple(problems))
