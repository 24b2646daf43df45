"""A shop whose events are accepted, delivered or not, and grow old."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from ferrata.delivery.models import attempts, batches, deliveries
from ferrata.delivery.schemas import State
from ferrata.events.models import events
from ferrata.events.validation import event_from
from ferrata.kit.clock import MovedClock
from ferrata.kit.ids import new_id
from ferrata.profiles.models import profiles
from tests.doors import Doors, open_doors

STORE = "default"
DAY = 86_400


@dataclass
class Shop:
    """Time passes only by ``age``: the clock stands at 2026-11-20 09:00 UTC at first."""

    doors: Doors
    clock: MovedClock

    async def accept(self, *emails: str | None, store: str = STORE, **fields: Any) -> list[str]:
        given = [{"eventName": "Purchase", **({"email": email} if email else {}), **fields} for email in emails]
        incoming = [event_from(each, self.clock.now()) for each in given]
        receipts = await self.doors.wiring.events.accept(store, incoming, "api")
        return [receipt.event.id for receipt in receipts]

    async def deliver(self, ids: Sequence[str], state: State = State.DELIVERED, batch_id: str | None = None) -> None:
        """As a worker does: the delivery's state, and an attempt of its own or of its batch."""
        now = self.clock.now()
        common = {
            "store_id": STORE, "family": "events", "quota_id": "q", "operation": "POST /api/events", "item_count": 1,
            "worker": "w", "started_at": now, "duration_ms": 5, "outcome": "accepted", "decision": "done",
        }  # fmt: skip
        mine = [{"id": new_id(now), "delivery_id": None if batch_id else id_, "batch_id": batch_id, **common} for id_ in ids]

        def work(connection: Any) -> None:
            values = {"state": state.value, "finished_at": now, "batch_id": batch_id}
            connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(values))
            connection.execute(insert(attempts), mine[:1] if batch_id else mine)

        await self.doors.wiring.database.write(work)

    async def batch(self, state: str = "delivered") -> str:
        now = self.clock.now()
        row = {"id": new_id(now), "store_id": STORE, "family": "events", "item_count": 1, "body_sha256": "0", "uncertain": False}
        work = insert(batches).values(**row, state=state, created_at=now)
        await self.doors.wiring.database.write(lambda connection: connection.execute(work))
        return str(row["id"])

    def age(self, days: float) -> None:
        self.clock.advance(days * DAY)

    async def ids(self, table: Any = events) -> set[str]:
        return set(
            await self.doors.wiring.database.read(lambda connection: connection.execute(select(table.c.id)).scalars().all())
        )

    async def people(self) -> set[str]:
        rows = select(profiles.c.person)
        return set(await self.doors.wiring.database.read(lambda connection: connection.execute(rows).scalars().all()))

    async def total(self, table: Any, column: str) -> int:
        query = select(func.sum(table.c[column]))
        return int(await self.doors.wiring.database.read(lambda connection: connection.execute(query).scalar_one()))


OpenShop = Callable[..., AbstractAsyncContextManager[Shop]]


@pytest.fixture
def open_shop(database_url: str, tmp_path: Path, clock: MovedClock) -> OpenShop:
    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Shop]:
        async with open_doors(database_url, tmp_path, clock, **settings) as doors:
            yield Shop(doors, clock)

    return opened


@pytest.fixture
async def shop(open_shop: OpenShop, anyio_backend: str) -> AsyncIterator[Shop]:
    async with open_shop() as opened:
        yield opened
