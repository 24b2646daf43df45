"""Replays and discards dead letters and opens lanes in somebody's name: change and audit record in one transaction."""

from dataclasses import asdict
from typing import Literal

from sqlalchemy import Connection

from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.delivery.schemas import Change, Family, Filter
from ferrata.delivery.service import DeliveryService

Act = Literal["replay", "discard"]
_DONE: dict[Act, str] = {"replay": "delivery.dead_letters_replayed", "discard": "delivery.dead_letters_discarded"}


class DeadLetterChanges:
    def __init__(self, service: DeliveryService, audit: Audit) -> None:
        self._service = service
        self._audit = audit

    async def preview(self, act: Act, filter_: Filter) -> Change:
        """What the act would touch."""
        return await (self._service.replay if act == "replay" else self._service.discard)(filter_, dry_run=True)

    async def make(self, act: Act, filter_: Filter, actor: Actor) -> Change:
        """Do it, and note who did. Nothing is noted where nothing was touched."""

        def record(connection: Connection, count: int) -> None:
            if count:
                after = {"count": count, "filter": _told(filter_)}
                self._audit.record(
                    connection, actor, _DONE[act], f"dead-letters/{filter_.store_id}", store_id=filter_.store_id, after=after
                )

        call = self._service.replay if act == "replay" else self._service.discard
        return await call(filter_, dry_run=False, record=record)

    async def probe(self, store_id: str, family: Family | None, actor: Actor) -> int:
        """Open parked lanes and try at once; noted where one was parked. Returns how many were."""

        def record(connection: Connection, count: int) -> None:
            if count:
                after = {"lanes": count, "family": family.value if family else "all"}
                self._audit.record(
                    connection, actor, "delivery.lanes_opened", f"lanes/{store_id}", store_id=store_id, after=after
                )

        return await self._service.probe(store_id, family, record=record)


def _told(filter_: Filter) -> dict[str, object]:
    """The conditions that were given; of many ids only how many."""
    given = {name: value for name, value in asdict(filter_).items() if value and name != "store_id"}
    if len(filter_.ids) > 20:
        given["ids"] = f"{len(filter_.ids)} ids"
    return {name: value if isinstance(value, str | tuple) else str(value) for name, value in given.items()}
