"""Each store's way to Klaviyo: its key, encrypted at rest, and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import SYSTEM, Actor
from ferrata.audit.service import Audit
from ferrata.connections import store as rows
from ferrata.connections.changes import Changes
from ferrata.connections.clients import Clients
from ferrata.connections.errors import KeyRefused, NotConnected, TooManyTests
from ferrata.connections.key_test import test_key
from ferrata.connections.keys import Keys, read_key
from ferrata.connections.schemas import (
    Connection,
    Credential,
    Installations,
    Method,
    Status,
    StatusListener,
    Store,
    Tested,
)
from ferrata.connections.stores import Stores
from ferrata.infra.allowance import Allowance
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock
from ferrata.klaviyo import Auth, Klaviyo

CACHE_SECONDS = 1.0
TESTS = Allowance(15, timedelta(minutes=1))
"""What Klaviyo allows for GET /api/accounts: 15 a minute for an account."""


@dataclass(frozen=True, slots=True)
class _Cached:
    credential: Credential | None
    until: float


class Connections:
    """``registry`` holds the stores."""

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
        self.registry.on_archive(self._cut)
        self.installations: Installations | None = None
        """The OAuth half, put here by whoever wires both."""

    async def start(self, first_key: str | None) -> None:
        """Make the default store on the first start, and take ``first_key`` over where that store has no connection.

        Raises:
            Undecryptable: a key was encrypted with another master key; said now rather than by the first event.
        """
        for kept in await self._database.read(rows.all_connections):
            if kept.seen.method is Method.PRIVATE_KEY:
                self._keys.open(kept)
        first = await self.registry.ensure_default()
        if first_key and await self._find(first) is None:
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
        kept = await self._find(store_id)
        credential = cached.credential if cached else None
        if kept is None:
            credential = None
        elif credential is None or (credential.version, credential.quota_id) != (kept.version, kept.quota_id):
            auth = await self._auth_of(kept)
            credential = Credential(auth, kept.quota_id, kept.version, former_quota_id=kept.former_quota_id) if auth else None
        broken = kept is not None and kept.seen.status in (Status.ERROR, Status.DISCONNECTED)
        if credential and credential.shown_broken is not broken:
            credential = replace(credential, shown_broken=broken)
        self._cache[store_id] = _Cached(credential, self._clock.monotonic() + CACHE_SECONDS)
        return credential

    async def _auth_of(self, kept: rows.Kept) -> Auth | None:
        if kept.installation_id is None:
            return self._keys.open(kept)
        return await self.installations.auth(kept.installation_id) if self.installations else None

    def client(self, credential: Credential) -> Klaviyo:
        """The client for this credential; the same one each time, on one pool for all."""
        return self._clients.client(credential)

    async def connection(self, store_id: str) -> Connection:
        """What is known of the store's connection. Raises NotFound if there is no such store."""
        await self.registry.one(store_id)
        kept = await self._find(store_id)
        return kept.seen if kept else Connection(store_id, Status.NOT_CONFIGURED)

    async def set_private_key(self, store_id: str, key: str, *, actor: Actor, test: bool = True) -> Connection:
        """Connect a store with a private key, or replace its key; with ``test``, only if Klaviyo accepts it.

        Raises:
            NotFound: there is no such store.
            NotAKey: it cannot be one.
            KeyRefused: Klaviyo does not accept it; what was connected before stays.
            KeyUntested: Klaviyo cannot be asked now; what was connected before stays.
            TooManyTests: 15 keys were tested within a minute.
        """
        await self.registry.one(store_id)
        private_key = read_key(key)
        kept = self._keys.keep(store_id, private_key, await self._tested(private_key) if test else None)

        def work(transaction: Transaction) -> None:
            before = rows.find_connection(transaction, store_id)
            self._leave(transaction, before)
            rows.replace_connection(transaction, kept)
            self._changes.note(transaction, actor, "connections.key_set", store_id, before=before, after=kept)

        await self._database.write(work)
        self._changes.announce(store_id)
        return kept.seen

    async def test(self, store_id: str, *, actor: Actor) -> Connection:
        """Ask Klaviyo whether the store's key is good, keep the answer, and give what is now known.

        Raises:
            NotConnected: there is no key to test.
            KeyUntested: Klaviyo cannot be asked now; what was known before stays.
            TooManyTests: 15 keys were tested within a minute.
        """
        kept = await self._one(store_id)
        auth = await self._auth_of(kept)
        if auth is None:
            raise NotConnected
        try:
            tested = await self._tested(auth)
        except KeyRefused as error:
            seen = replace(kept.seen, status=Status.ERROR, detail=error.message, tested_at=self._clock.now())
            await self._learn(kept, replace(kept, seen=seen), actor)
        else:
            await self._learn(kept, self._tested_again(kept, tested), actor)
        return await self.connection(store_id)

    def _tested_again(self, kept: rows.Kept, tested: Tested) -> rows.Kept:
        """The connection as this test has shown it."""
        if kept.installation_id is None:
            fresh = self._keys.keep(kept.seen.store_id, self._keys.open(kept), tested)
            return replace(fresh, seen=replace(fresh.seen, created_at=kept.seen.created_at))
        seen = replace(
            kept.seen,
            status=Status.CONNECTED,
            detail=tested.detail,
            account_id=tested.account_id or kept.seen.account_id,
            account_name=tested.account_name or kept.seen.account_name,
            tested_at=self._clock.now(),
        )
        return replace(kept, seen=seen)

    def lost(self, transaction: Transaction, installation_id: str, detail: str) -> None:
        """Klaviyo knows an OAuth installation no more: show its connections as broken, in the caller's transaction."""
        for kept in rows.all_connections(transaction):
            if kept.installation_id == installation_id and kept.seen.status is not Status.ERROR:
                now = self._clock.now()
                after = replace(kept, seen=replace(kept.seen, status=Status.ERROR, detail=detail, status_since=now))
                values = {"status": Status.ERROR, "detail": detail, "status_since": now}
                rows.set_known(transaction, kept.seen.store_id, kept.version, values)
                action = "connections.oauth_lost"
                self._changes.note(transaction, SYSTEM, action, kept.seen.store_id, before=kept, after=after)

    def adopt(self, transaction: Transaction, installed: rows.Kept, actor: Actor) -> None:
        """Connect a store by OAuth, in the transaction that keeps its tokens; call ``announce`` after the commit.

        A key that the store was connected with is forgotten; its conversion metric stays, if the account is the same.
        """
        before = rows.find_connection(transaction, installed.seen.store_id)
        installed = carried_over(before, installed)
        self._leave(transaction, before)
        rows.replace_connection(transaction, installed)
        action = "connections.installed"
        self._changes.note(transaction, actor, action, installed.seen.store_id, before=before, after=installed)

    def _leave(self, transaction: Transaction, before: rows.Kept | None) -> None:
        if before and before.installation_id and self.installations:
            self.installations.left(transaction, before.installation_id, before.seen.store_id)

    def announce(self, store_id: str) -> None:
        """Say, after the commit, that this store's connection changed."""
        self._changes.announce(store_id)

    async def ended(self, store_id: str, version: str, detail: str) -> None:
        """Klaviyo's side has ended this very connection, such as by uninstalling the app: show it as disconnected."""
        await self._observed(store_id, version, Status.DISCONNECTED, detail[:500])

    async def refused(self, store_id: str, version: str, detail: str) -> None:
        """Klaviyo has refused a request made with this credential: show the connection as broken."""
        await self._observed(store_id, version, Status.ERROR, detail[:500])

    async def accepted(self, store_id: str, version: str) -> None:
        """Klaviyo has accepted a request made with this credential: if it was shown as broken, it is not any more."""
        await self._observed(store_id, version, Status.CONNECTED, None)

    async def disconnect(self, store_id: str, actor: Actor) -> None:
        """Forget the store's key. Its events are kept and wait.

        Raises:
            NotFound: there is no such store.
            NotConnected: it has no key.
        """
        await self._one(store_id)
        await self._database.write(lambda transaction: self._cut(transaction, store_id, actor))
        self._changes.announce(store_id)

    def _cut(self, transaction: Transaction, store_id: str, actor: Actor) -> None:
        """Leave nothing of a connection: neither keys, replaced ones too, nor tokens, metric or account."""
        before = rows.find_connection(transaction, store_id)
        self._leave(transaction, before)
        if rows.remove_connection(transaction, store_id) and before:
            self._changes.note(transaction, actor, "connections.disconnected", store_id, before=before, after=None)

    async def reseal_all(self, *, actor: Actor) -> int:
        """Encrypt every key with the current master key; how many were not."""

        def work(transaction: Transaction) -> int:
            count = 0
            for kept in rows.all_connections(transaction):
                if kept.seen.method is Method.PRIVATE_KEY and (sealed := self._keys.resealed(kept)):
                    rows.set_known(transaction, kept.seen.store_id, kept.version, {"sealed_key": sealed})
                    count += 1
            if self.installations:
                count += self.installations.reseal_all(transaction)
            if count:
                self._audit.record(transaction, actor, "connections.keys_resealed", "connections", after={"count": count})
            return count

        return await self._database.write(work)

    async def _find(self, store_id: str) -> rows.Kept | None:
        return await self._database.read(lambda transaction: rows.find_connection(transaction, store_id))

    async def _one(self, store_id: str) -> rows.Kept:
        await self.registry.one(store_id)
        kept = await self._find(store_id)
        if kept is None:
            raise NotConnected
        return kept

    async def _tested(self, auth: Auth) -> Tested:
        now = self._clock.now()
        wait = await self._database.write(lambda transaction: TESTS.take(transaction, "key-tests", now))
        if wait is not None:
            raise TooManyTests(wait)
        return await test_key(self._clients.single(auth))

    async def _observed(self, store_id: str, version: str, status: Status, detail: str | None) -> None:
        kept = await self._find(store_id)
        if kept and kept.version == version and kept.seen.status is not status:
            seen = replace(kept.seen, status=status, detail=detail, status_since=self._clock.now())
            await self._learn(kept, replace(kept, seen=seen), SYSTEM)

    async def _learn(self, before: rows.Kept, after: rows.Kept, actor: Actor) -> None:
        """Keep what became known of a key, unless another one was set meanwhile."""
        seen = after.seen
        values = {
            "status": seen.status,
            "status_since": seen.status_since,
            "detail": seen.detail,
            "account_id": seen.account_id,
            "account_name": seen.account_name,
            "tested_at": seen.tested_at,
            "quota_id": after.quota_id,
        }

        def work(transaction: Transaction) -> None:
            still_this_key = rows.set_known(transaction, seen.store_id, before.version, values)
            if still_this_key and seen.status is not before.seen.status:
                self._changes.note(transaction, actor, "connections.status_changed", seen.store_id, before=before, after=after)

        await self._database.write(work)
        self._changes.announce(seen.store_id)

    def _forget_cached(self, store_id: str) -> None:
        self._cache.pop(store_id, None)


def carried_over(before: rows.Kept | None, after: rows.Kept) -> rows.Kept:
    """``after`` with what belongs to the account rather than to the credential, where the account is still the same."""
    if before is None or not before.seen.account_id or before.seen.account_id != after.seen.account_id:
        return after
    was, is_now = before.seen, after.seen
    metric = is_now if is_now.conversion_metric_id else was
    seen = replace(
        is_now,
        connected_at=was.connected_at or is_now.connected_at,
        conversion_metric_id=metric.conversion_metric_id,
        conversion_metric_name=metric.conversion_metric_name,
        is_shopify_order=metric.is_shopify_order,
    )
    return replace(after, seen=seen)
