"""Connects a store to Klaviyo: looks at a key first, keeps it with the conversion metric, replaces it without a gap, lets go.

What was connected before stays until the new key has been accepted.
"""

from dataclasses import replace

from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import Actor
from ferrata.connections import store as rows
from ferrata.connections.errors import (
    AccountUnknown,
    KeyInUse,
    NoKeyToRotate,
    NotConnected,
    OtherAccount,
)
from ferrata.connections.key_trials import KeyTrials, Trial
from ferrata.connections.keys import Keys, fingerprint, read_key
from ferrata.connections.metrics import NO_METRICS_SCOPE, MetricChoice, MetricChoices
from ferrata.connections.rotation import Rotation
from ferrata.connections.schemas import Connection, Held, Tested
from ferrata.connections.shelf import Shelf, carried_over
from ferrata.connections.stores import Stores
from ferrata.infra.errors import Problem, Rejected
from ferrata.klaviyo import PrivateKey

NOT_A_METRIC = "conversionMetricId must be a metric of this account; `action: test` and ferrata connections metrics list them"


class Connecting:
    def __init__(self, shelf: Shelf, stores: Stores, keys: Keys, trials: KeyTrials, rotation: Rotation) -> None:
        self._shelf = shelf
        self._stores = stores
        self._keys = keys
        self._trials = trials
        self._rotation = rotation

    async def look(self, key: str, *, again: bool = False) -> Trial:
        """What this key would connect with: account, metrics, scopes. Nothing is kept. ``again``: see ``KeyTrials.trial``.

        Raises:
            NotAKey: it cannot be one.
            KeyRefused: Klaviyo does not accept it.
            KeyUntested: Klaviyo cannot be asked now.
            TooManyTests: keys of this account were tested 15 times within a minute.
        """
        return await self._trials.trial(read_key(key), again=again)

    async def count_test(self, store_id: str) -> None:
        """Count a test of the store's own connection. Raises NotConnected, TooManyTests."""
        await self._trials.count((await self._shelf.one(store_id)).quota_id)

    async def complete(self, store_id: str, key: str, metric_id: str | None, *, actor: Actor) -> Connection:
        """Connect a store with this key and conversion metric, or change either. The key is tested again first.

        Without a metric the one that was chosen stays, or none is chosen yet.

        Raises:
            NotFound: there is no such store.
            Rejected: the account has no such metric.
            OtherAccount: the store is connected to another account.
            NotAKey, KeyRefused, KeyUntested, TooManyTests: as ``look`` does; what was connected before stays.
        """
        store = await self._stores.choose(store_id)
        private_key = read_key(key)
        trial = await self._trials.trial(private_key, again=True)
        choice = _chosen(trial.metrics, metric_id) if metric_id else None
        return await self._keep(store, private_key, trial.tested, choice=choice, scopes=trial.scopes, actor=actor)

    async def set_key(self, store_id: str, key: str, *, actor: Actor, test: bool = True, move: bool = False) -> Connection:
        """Connect a store with a private key, or replace its key; with ``test``, only if Klaviyo accepts it.

        ``move``: to another account, if the key is another's; what waits goes there then.

        Raises:
            NotFound: there is no such store.
            OtherAccount: the store is connected to another account, and is not to be moved.
            NotAKey, KeyRefused, KeyUntested, TooManyTests: as ``look`` does; what was connected before stays.
        """
        store = await self._stores.choose(store_id)
        private_key = read_key(key)
        tested = await self._trials.tested(private_key) if test else None
        return await self._keep(store, private_key, tested, actor=actor, other_account=move)

    async def rotate(self, store_id: str, key: str, *, actor: Actor) -> Connection:
        """Replace the key of a connected store by another of the same account, without a gap.

        The new key is tested first. Requests that are under way with the old one may finish; it is forgotten once none can be.

        Raises:
            NotConnected, NoKeyToRotate: the store has no key.
            KeyInUse: this is the key that it has.
            OtherAccount: the new key is another account's.
            AccountUnknown: whose the keys are cannot be told.
            NotAKey, KeyRefused, KeyUntested, TooManyTests: as ``look`` does; the old key stays.
        """
        store = await self._stores.choose(store_id)
        before = await self._shelf.one(store)
        if before.installation_id:
            raise NoKeyToRotate
        private_key = read_key(key)
        if before.fingerprint == fingerprint(private_key) or self._keys.open(before) == private_key:
            raise KeyInUse
        trial = await self._trials.trial(private_key)
        account_id = before.seen.account_id or (await self._trials.tested(self._keys.open(before))).account_id
        if not (account_id and trial.tested.account_id):
            raise AccountUnknown
        if account_id != trial.tested.account_id:
            raise OtherAccount(before.seen.account_name or account_id, trial.tested.account_name or trial.tested.account_id)
        return await self._keep(store, private_key, trial.tested, scopes=trial.scopes, actor=actor)

    async def choose_metric(self, store_id: str, metric_id: str, metrics: MetricChoices, *, actor: Actor) -> Connection:
        """Change what a connected store counts as a conversion. Raises NotConnected; Rejected: no such metric."""
        return await self._set_metric(store_id, _chosen(metrics, metric_id), actor)

    async def clear_metric(self, store_id: str, *, actor: Actor) -> Connection:
        """Have a connected store count nothing as a conversion. Raises NotConnected."""
        return await self._set_metric(store_id, None, actor)

    async def _set_metric(self, store_id: str, choice: MetricChoice | None, actor: Actor) -> Connection:
        def work(transaction: Transaction) -> rows.Kept:
            before = rows.find_connection(transaction, store_id, for_update=True)
            if before is None:
                raise NotConnected
            after = _with_metric(before, choice)
            if after != before:
                action = "connections.metric_chosen" if choice else "connections.metric_cleared"
                self._shelf.put(transaction, after, actor, action)
            return after

        kept = await self._shelf.database.write(work)
        self._shelf.changes.announce(store_id)
        return kept.seen

    async def disconnect(self, store_id: str, actor: Actor) -> None:
        """Forget everything about the store's connection. Its events are kept and wait.

        Raises:
            NotFound: there is no such store.
            NotConnected: it is not connected.
        """
        await self._stores.one(store_id)
        await self._shelf.one(store_id)
        await self._shelf.database.write(lambda transaction: self._shelf.cut(transaction, store_id, actor))
        self._shelf.changes.announce(store_id)

    async def _keep(
        self,
        store_id: str,
        key: PrivateKey,
        tested: Tested | None,
        *,
        actor: Actor,
        choice: MetricChoice | None = None,
        scopes: dict[str, Held] | None = None,
        other_account: bool = False,
    ) -> Connection:
        """``other_account``: a store that is connected to another account may be moved to this one."""
        fresh = self._keys.keep(store_id, key, tested)
        if scopes is not None:
            fresh = fresh.told(scopes=scopes, scopes_checked_at=fresh.seen.tested_at)
        if choice:
            fresh = _with_metric(fresh, choice)

        def work(transaction: Transaction) -> rows.Kept:
            before = rows.find_connection(transaction, store_id, for_update=True)
            if before and not other_account:
                _must_be_same_account(before.seen, fresh.seen)
            after = carried_over(before, fresh)
            if before and before.fingerprint == fresh.fingerprint:
                if tested is None:  # nothing new is known of it
                    after = replace(before, seen=replace(before.seen, status=fresh.seen.status, detail=fresh.seen.detail))
                former = before.quota_id if before.quota_id != after.quota_id else before.former_quota_id
                after = replace(after, version=before.version, former_quota_id=former)
            replaced = before is not None and self._rotation.retire(transaction, before, after)
            self._shelf.put(transaction, after, actor, "connections.key_rotated" if replaced else "connections.key_set")
            return after

        kept = await self._shelf.database.write(work)
        self._shelf.changes.announce(store_id)
        return kept.seen


def _must_be_same_account(before: Connection, after: Connection) -> None:
    if before.account_id and after.account_id and before.account_id != after.account_id:
        raise OtherAccount(before.account_name or before.account_id, after.account_name or after.account_id)


def _chosen(metrics: MetricChoices, metric_id: str) -> MetricChoice:
    choice = metrics.find(metric_id)
    if choice is None:
        # What was given is not repeated: it may be a key that went into the wrong field.
        sentence = NO_METRICS_SCOPE if NO_METRICS_SCOPE in metrics.warnings else NOT_A_METRIC
        raise Rejected(problems=(Problem("conversionMetricId", sentence),))
    return choice


def _with_metric(kept: rows.Kept, choice: MetricChoice | None) -> rows.Kept:
    return kept.told(
        conversion_metric_id=choice.id if choice else None,
        conversion_metric_name=choice.name if choice else None,
        is_shopify_order=choice is not None and choice.is_shopify_placed_order,
    )
