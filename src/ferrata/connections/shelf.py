"""Where connections are kept: found, learned about, cut. Every change is noted in its transaction and announced after it."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import SYSTEM, Actor
from ferrata.connections import store as rows
from ferrata.connections.changes import Changes
from ferrata.connections.errors import NotConnected
from ferrata.connections.schemas import Installations, Status
from ferrata.infra.database import Database
from ferrata.kit.clock import Clock


class Shelf:
    """``installations`` is the OAuth half, put here by whoever wires both."""

    def __init__(self, database: Database, clock: Clock, changes: Changes) -> None:
        self.database = database
        self.clock = clock
        self.changes = changes
        self.installations: Installations | None = None

    async def find(self, store_id: str) -> rows.Kept | None:
        return await self.database.read(lambda transaction: rows.find_connection(transaction, store_id))

    async def one(self, store_id: str) -> rows.Kept:
        """Raises NotConnected."""
        kept = await self.find(store_id)
        if kept is None:
            raise NotConnected
        return kept

    def put(self, transaction: Transaction, kept: rows.Kept, actor: Actor, action: str) -> None:
        """Connect a store, or connect it anew; announce it after the commit."""
        before = rows.find_connection(transaction, kept.seen.store_id)
        if before and before.installation_id != kept.installation_id:
            self._leave_installation(transaction, before)
        rows.replace_connection(transaction, kept)
        self.changes.note(transaction, actor, action, kept.seen.store_id, before=before, after=kept)

    def cut(self, transaction: Transaction, store_id: str, actor: Actor) -> None:
        """Leave nothing of a connection: neither keys, replaced ones too, nor tokens, metric or account."""
        before = rows.find_connection(transaction, store_id)
        if before is None:
            return
        self._leave_installation(transaction, before)
        if self.installations:
            self.installations.forget_begun(transaction, store_id)
        rows.remove_connection(transaction, store_id)
        self.changes.note(transaction, actor, "connections.disconnected", store_id, before=before, after=None)

    def _leave_installation(self, transaction: Transaction, before: rows.Kept) -> None:
        if before.installation_id and self.installations:
            self.installations.left(transaction, before.installation_id, before.seen.store_id)

    async def learn(self, of: rows.Kept, learned: Callable[[rows.Kept], rows.Kept], actor: Actor) -> None:
        """Keep what became known of this very credential: ``learned`` gives it of the connection as it stands by then."""
        store_id, now = of.seen.store_id, self.clock.now()

        def work(transaction: Transaction) -> None:
            before = rows.find_connection(transaction, store_id, for_update=True)
            if before is None or before.version != of.version:
                return
            after, was = learned(before), before.seen
            if was.status is Status.DISCONNECTED and after.seen.status is Status.ERROR:  # a refusal says less than the reason
                after = after.told(status=was.status, detail=was.detail)
            changed = after.seen.status is not was.status
            after = after.told(status_since=now if changed else was.status_since)
            rows.set_known(transaction, after, before.version)
            if changed:
                self.changes.note(transaction, actor, "connections.status_changed", store_id, before=before, after=after)

        await self.database.write(work)
        self.changes.announce(store_id)

    def lose(self, transaction: Transaction, kept: rows.Kept, detail: str) -> None:
        """What a connection stood on is gone at Klaviyo's side; nothing happens if that was known."""
        if kept.seen.status is Status.DISCONNECTED:
            return
        after = kept.told(status=Status.DISCONNECTED, detail=detail, status_since=self.clock.now())
        if rows.set_known(transaction, after, kept.version):
            self.changes.note(transaction, SYSTEM, "connections.oauth_lost", kept.seen.store_id, before=kept, after=after)

    async def observed(self, store_id: str, version: str, status: Status, detail: str | None) -> None:
        """Something showed how this very credential is; nothing happens if that was known."""
        kept = await self.find(store_id)
        if kept is None or kept.version != version or kept.seen.status is status:
            return
        if not (status is Status.ERROR and kept.seen.status.is_broken):
            await self.learn(kept, lambda now: now.told(status=status, detail=detail), SYSTEM)


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
