"""What follows from a change of a connection: audit record and listeners within its transaction, the word to others after it."""

from collections.abc import Callable

from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.connections.schemas import Status, StatusChange, StatusListener
from ferrata.connections.store import Kept
from ferrata.kit.clock import Clock

Changed = Callable[[str], None]


class Changes:
    def __init__(self, clock: Clock, audit: Audit) -> None:
        self._clock = clock
        self._audit = audit
        self._afterwards: list[Changed] = []
        self._inside: list[StatusListener] = []

    def on_change(self, callback: Changed) -> None:
        self._afterwards.append(callback)

    def on_status(self, listener: StatusListener) -> None:
        self._inside.append(listener)

    def note(
        self,
        transaction: Transaction,
        actor: Actor,
        action: str,
        store_id: str,
        *,
        before: Kept | None,
        after: Kept | None,
    ) -> None:
        """Record it, and tell those who listen to the status, within the caller's transaction."""
        told = {"before": _told(before), "after": _told(after)}
        self._audit.record(transaction, actor, action, f"connection/{store_id}", store_id=store_id, **told)
        was, is_now = _status(before), _status(after)
        if was is not is_now:
            change = StatusChange(store_id, was, is_now, after.seen.detail if after else None, self._clock.now())
            for listener in self._inside:
                listener(transaction, change)

    def announce(self, store_id: str) -> None:
        """Say, after the commit, that something about this store's connection is new."""
        for callback in self._afterwards:
            callback(store_id)


def _status(kept: Kept | None) -> Status:
    return kept.seen.status if kept else Status.NOT_CONFIGURED


def _told(kept: Kept | None) -> dict[str, str | None]:
    if kept is None:
        return {}
    seen = kept.seen
    told = {"method": seen.method, "hint": seen.hint, "status": seen.status, "account_id": seen.account_id}
    return told | ({"conversion_metric_id": seen.conversion_metric_id} if seen.conversion_metric_id else {})
