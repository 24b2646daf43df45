"""Each store's way to Klaviyo: its key, encrypted at rest, and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import SYSTEM, Actor
from ferrata.audit.service import Audit
from ferrata.connections import store as rows
from ferrata.connections.changes import Changes
from ferrata.connections.clients import Clients
from ferrata.connections.connecting import Connecting
from ferrata.connections.errors import KeyRefused, NotConnected
from ferrata.connections.key_trials import KeyTrials
from ferrata.connections.keys import Keys
from ferrata.connections.metrics import MetricChoices
from ferrata.connections.patience import patiently
from ferrata.connections.rotation import Rotation
from ferrata.connections.schemas import (
    Connection,
    Credential,
    Held,
    Installations,
    Method,
    Status,
    StatusListener,
    Store,
)
from ferrata.connections.scopes import FEATURES, INDISPENSABLE, Feature, find_scopes, missing, what_is_missing
from ferrata.connections.shelf import Shelf, carried_over
from ferrata.connections.stores import Stores
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock
from ferrata.klaviyo import Auth, Klaviyo

__all__ = [
    "FEATURES",
    "INDISPENSABLE",
    "Connections",
    "Feature",
    "find_scopes",
    "missing",
    "patiently",
    "what_is_missing",
]

CACHE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Cached:
    credential: Credential | None
    until: float


class Connections:
    """``registry`` holds the stores, ``connecting`` changes what they are connected with, ``rotation`` knows replaced keys."""

    def __init__(self, database: Database, clock: Clock, audit: Audit, *, keys: Keys, clients: Clients) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._keys = keys
        self._clients = clients
        self._cache: dict[str, _Cached] = {}
        self._changes = Changes(clock, audit)
        self._changes.on_change(self._forget_cached)
        self.registry = Stores(database, clock, audit)
        self._shelf = Shelf(database, clock, self._changes)
        self.registry.on_archive(self._shelf.cut)
        self._trials = KeyTrials(database, clock, clients)
        self.rotation = Rotation(database, clock, audit, keys, clients.longest_request)
        self.connecting = Connecting(self._shelf, self.registry, keys, self._trials, self.rotation)

    async def start(self, first_key: str | None) -> None:
        """Make the default store on the first start, and take ``first_key`` over where that store has no connection.

        Raises:
            Undecryptable: a key was encrypted with another master key; said now rather than by the first event.
        """
        for kept in await self._database.read(rows.all_connections):
            if kept.seen.method is Method.PRIVATE_KEY:
                self._keys.open(kept)
        first = await self.registry.ensure_default()
        if first_key and await self._shelf.find(first) is None:
            await self.set_private_key(first, first_key, actor=SYSTEM, test=False)

    async def close(self) -> None:
        await self._clients.close()

    def on_change(self, callback: Callable[[str], None]) -> None:
        """Call ``callback(store_id)`` after a connection was set, mended or removed by this process."""
        self._changes.on_change(callback)

    def on_status(self, listener: StatusListener) -> None:
        """Have ``listener`` called inside every transaction in which a connection's status changes, in whatever process."""
        self._changes.on_status(listener)

    async def store(self, store_id: str) -> Store:
        """Raises NotFound."""
        return await self.registry.one(store_id)

    async def stores(self) -> list[Store]:
        """Those in use, the oldest first."""
        return await self.registry.all()

    async def credential(self, store_id: str) -> Credential | None:
        """What to ask Klaviyo with for this store; None without a connection. Changes elsewhere are seen within a second.

        Raises:
            Undecryptable: the key was encrypted with another master key.
        """
        cached = self._cache.get(store_id)
        if cached and self._clock.monotonic() < cached.until:
            return cached.credential
        kept = await self._shelf.find(store_id)
        credential = cached.credential if cached else None
        if kept is None:
            credential = None
        elif credential is None or (credential.version, credential.quota_id) != (kept.version, kept.quota_id):
            auth = await self._auth_of(kept)
            credential = Credential(auth, kept.quota_id, kept.version, former_quota_id=kept.former_quota_id) if auth else None
        broken = kept is not None and kept.seen.status.is_broken
        if credential and credential.shown_broken is not broken:
            credential = replace(credential, shown_broken=broken)
        self._let_go(cached, credential)
        self._cache[store_id] = _Cached(credential, self._clock.monotonic() + CACHE_SECONDS)
        return credential

    async def _auth_of(self, kept: rows.Kept) -> Auth | None:
        if kept.installation_id is None:
            return self._keys.open(kept)
        installations = self._shelf.installations
        return await installations.auth(kept.installation_id) if installations else None

    def use_installations(self, installations: Installations) -> None:
        """Where the tokens of stores that are connected by OAuth come from."""
        self._shelf.installations = installations

    def client(self, credential: Credential) -> Klaviyo:
        """The client for this credential; the same one each time, on one pool for all."""
        return self._clients.client(credential)

    def single(self, auth: Auth) -> Klaviyo:
        """A client for somebody who tries a key."""
        return self._clients.single(auth)

    async def client_of(self, store_id: str) -> Klaviyo:
        """A client for the store's own connection. Raises NotConnected, Undecryptable."""
        credential = await self.credential(store_id)
        if credential is None:
            raise NotConnected
        return self.client(credential)

    async def metrics(self, store_id: str) -> MetricChoices:
        """What the connected account can count as a conversion. Raises NotConnected, KeyRefused, KeyUntested."""
        return await self._trials.metrics(await self.client_of(store_id))

    async def check_scopes(self, store_id: str, *, actor: Actor) -> Connection:
        """Ask Klaviyo anew what the connection may do, and keep the answer.

        Raises:
            NotConnected: there is nothing to ask with.
            TooManyTests: 15 questions within a minute.
        """
        kept = await self._shelf.one(store_id)
        client = await self.client_of(store_id)
        await self._trials.count(kept.quota_id)
        found = await find_scopes(client)
        for scope, held in kept.seen.scopes.items():  # what Klaviyo does not say now leaves what was known
            if found.get(scope) is Held.UNKNOWN:
                found[scope] = held
        known = {"scopes": found, "scopes_checked_at": self._clock.now()}
        await self._shelf.learn(kept, lambda now: now.told(**known), actor)
        return kept.told(**known).seen

    async def is_connected(self, store_id: str) -> bool:
        """Whether there is a key or an installation, be it good or refused."""
        return await self._shelf.find(store_id) is not None

    async def connection(self, store_id: str) -> Connection:
        """What is known of the store's connection. Raises NotFound if there is no such store."""
        await self.registry.one(store_id)
        kept = await self._shelf.find(store_id)
        return kept.seen if kept else Connection(store_id, Status.NOT_CONFIGURED)

    async def every_connection(self) -> dict[str, Connection]:
        """What is known of each store's connection, by store, in one look: for whoever watches over all of them."""
        stores = await self.registry.all()
        kept = await self._database.read(rows.all_connections)
        known = {each.seen.store_id: each.seen for each in kept}
        return {store.id: known.get(store.id) or Connection(store.id, Status.NOT_CONFIGURED) for store in stores}

    async def set_private_key(
        self, store_id: str, key: str, *, actor: Actor, test: bool = True, move: bool = False
    ) -> Connection:
        """See ``Connecting.set_key``."""
        return await self.connecting.set_key(store_id, key, actor=actor, test=test, move=move)

    async def test(self, store_id: str, *, actor: Actor) -> Connection:
        """Ask Klaviyo whether the store's key is good, keep the answer, and give what is now known.

        Raises:
            NotConnected: there is no key to test.
            KeyUntested: Klaviyo cannot be asked now; what was known before stays.
            TooManyTests: 15 keys were tested within a minute.
        """
        await self.registry.one(store_id)
        kept = await self._shelf.one(store_id)
        auth = await self._auth_of(kept)
        if auth is None:
            raise NotConnected
        try:
            tested = await self._trials.tested(auth, kept.quota_id)
        except KeyRefused as error:
            known = {"status": Status.ERROR, "detail": error.message, "tested_at": self._clock.now()}
            await self._shelf.learn(kept, lambda now: now.told(**known), actor)
        else:
            await self._shelf.learn(kept, lambda now: self._keys.learned(now, auth, tested), actor)
        return await self.connection(store_id)

    async def other_credential(self, store_id: str, refused: Credential) -> Credential | None:
        """After Klaviyo refused ``refused``: another one of the same account that may be accepted, while a key is replaced.

        That is the store's present one if ``refused`` was replaced meanwhile, or else the one that it has just replaced.
        """
        kept = await self._shelf.find(store_id)
        if kept is None:
            return None
        if kept.version != refused.version:
            self._forget_cached(store_id)
            return await self.credential(store_id)
        return await self.rotation.alive(store_id, refused.quota_id)

    def lost(self, transaction: Transaction, installation_id: str, detail: str) -> None:
        """Klaviyo knows an OAuth installation no more: show its stores as disconnected, in the caller's transaction."""
        for kept in rows.all_connections(transaction):
            if kept.installation_id == installation_id:
                self._shelf.lose(transaction, kept, detail)

    def adopt(self, transaction: Transaction, installed: rows.Kept, actor: Actor) -> None:
        """Connect a store by OAuth, in the transaction that keeps its tokens; call ``announce`` after the commit.

        A key that the store was connected with is forgotten; its conversion metric stays, if the account is the same.
        """
        before = rows.find_connection(transaction, installed.seen.store_id, for_update=True)
        self._shelf.put(transaction, carried_over(before, installed), actor, "connections.installed")

    def account_of(self, transaction: Transaction, store_id: str) -> tuple[str, str] | None:
        """Id and name of the account that the store is connected to, within the caller's transaction; None if it is not known."""
        kept = rows.find_connection(transaction, store_id, for_update=True)
        if kept is None or kept.seen.account_id is None:
            return None
        return kept.seen.account_id, kept.seen.account_name or kept.seen.account_id

    def announce(self, store_id: str) -> None:
        """Say, after the commit, that this store's connection changed."""
        self._changes.announce(store_id)

    async def refused(self, store_id: str, version: str, detail: str) -> None:
        """Klaviyo has refused a request made with this credential: show the connection as broken."""
        await self._shelf.observed(store_id, version, Status.ERROR, detail[:500])

    async def accepted(self, store_id: str, version: str) -> None:
        """Klaviyo has accepted a request made with this credential: if it was shown as broken, it is not any more."""
        await self._shelf.observed(store_id, version, Status.CONNECTED, None)

    async def disconnect(self, store_id: str, actor: Actor) -> None:
        """See ``Connecting.disconnect``."""
        await self.connecting.disconnect(store_id, actor)

    async def reseal_all(self, *, actor: Actor) -> int:
        """Encrypt every key with the current master key; how many were not."""

        def work(transaction: Transaction) -> int:
            count = 0
            for kept in rows.all_connections(transaction):
                if kept.installation_id is None and (sealed := self._keys.resealed(kept)):
                    rows.reseal(transaction, kept, sealed)
                    count += 1
            for retired in rows.retiring(transaction):
                if sealed := self._keys.resealed_retired(retired):
                    rows.reseal_retired(transaction, retired, sealed)
                    count += 1
            if self._shelf.installations:
                count += self._shelf.installations.reseal_all(transaction)
            if count:
                self._audit.record(transaction, actor, "connections.keys_resealed", "connections", after={"count": count})
            return count

        return await self._database.write(work)

    def _forget_cached(self, store_id: str) -> None:
        cached = self._cache.pop(store_id, None)
        self._let_go(cached, None)

    def _let_go(self, cached: _Cached | None, credential: Credential | None) -> None:
        """Keep no client in memory that carries what the store is connected with no more."""
        if cached and cached.credential and (credential is None or credential.version != cached.credential.version):
            self._clients.forget(cached.credential.version)
