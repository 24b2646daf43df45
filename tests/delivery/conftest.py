"""A worker at work on a real database, against the sandbox on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.connections.service import Connections
from ferrata.delivery.schemas import Deliver, Family, Filter, State
from ferrata.delivery.service import DeliveryService
from ferrata.delivery.tools import Tools
from ferrata.delivery.watch import Watch
from ferrata.delivery.worker import Worker
from ferrata.entry.wiring import build
from ferrata.infra.database import Database, open_database
from ferrata.infra.settings import Settings
from ferrata.kit.clock import SystemClock
from ferrata.kit.ids import new_id
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import Running, running
from klaviyo_sandbox.tenants import DEFAULT_KEY

STORE = "default"


@pytest.fixture
def klaviyo() -> Iterator[Running]:
    sandbox = Sandbox(seed=1)
    with running(sandbox) as served:
        yield served
    sandbox.close()


@dataclass
class Desk:
    """Everything a test of delivery needs: put something in, let it be delivered, look what Klaviyo has."""

    db: Database
    connections: Connections
    service: DeliveryService
    worker: Worker
    sandbox: Sandbox
    clock: SystemClock
    watch: Watch

    async def put(self, items: Sequence[Deliver]) -> list[str]:
        await self.db.write(lambda connection: self.service.put(connection, items))
        self.service.wake(STORE, Family.EVENTS)
        return [item.id for item in items]

    async def settled(self, ids: Iterable[str], seconds: float = 30.0) -> dict[str, State]:
        """Wait until nothing of these waits or is on its way any more."""
        wanted = list(ids)
        for _ in range(int(seconds / 0.05)):
            states = {id_: found.state for id_, found in (await self.states(wanted)).items()}
            if all(state in (State.DELIVERED, State.DEAD, State.DISCARDED) for state in states.values()):
                return states
            await asyncio.sleep(0.05)
        raise AssertionError(f"not settled within {seconds} s: {list(states.values())[:20]}")

    async def states(self, ids: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(ids), 500):
            found |= await self.service.states(ids[start : start + 500])
        return found

    async def until(self, holds: Callable[[], Any], seconds: float = 20.0) -> Any:
        for _ in range(int(seconds / 0.02)):
            result = holds()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return result
            await asyncio.sleep(0.02)
        raise AssertionError("did not come true in time")

    def stored(self) -> list[dict[str, Any]]:
        """The events that Klaviyo has recorded, in the order in which it did."""
        return self.sandbox.effects(kind="event_stored")

    def unique_ids(self) -> list[str]:
        return [effect["unique_id"] for effect in self.stored()]

    async def dead(self) -> list[Any]:
        return list((await self.service.dead_letters(Filter(STORE), limit=500)).rows)


@pytest.fixture
def open_desk(database_url: str, klaviyo: Running, tmp_path: Path) -> Any:
    @asynccontextmanager
    async def desk(
        *, key: str | None = DEFAULT_KEY, work: bool = True, name: str = "test", shared: Database | None = None
    ) -> AsyncIterator[Desk]:
        clock = SystemClock()
        db = shared or open_database(database_url, clock, allow_unsafe=True)
        settings = Settings(_env_file=None, data_dir=tmp_path, klaviyo_base_url=klaviyo.url, klaviyo_timeout_seconds=3.0)
        connections, watch = build(settings, database=db).connections, Watch()
        service = DeliveryService(db, connections, clock, watch, name=name, longest_queue=1_000_000)
        await connections.start(None)
        connections.on_change(service.connection_changed)
        if key:
            await connections.set_private_key(STORE, key, actor=SYSTEM, test=False)
        worker = Worker(Tools(db, connections, clock, Random(1).random, name, watch, timedelta(days=30)))
        running_worker = None
        if work:
            service.worker = worker
            running_worker = asyncio.create_task(worker.run())
        try:
            yield Desk(db, connections, service, worker, klaviyo.sandbox, clock, watch)
        finally:
            worker.stop()
            if running_worker:
                with suppress(asyncio.CancelledError):
                    await running_worker
            await service.close()
            await connections.close()
            if shared is None:
                await db.close()

    return desk


_clock = SystemClock()


def event(
    number: int = 0, *, person: str | None = None, metric: str = "Placed Order", history: bool = False, **properties: Any
) -> Deliver:
    """A frozen event as acceptance makes it; ``unique_id`` is ``event-<number>``."""
    now = _clock.now()
    email = person or f"person{number}@shop.test"
    subject = {
        "properties": {"number": number, **properties},
        "time": now.isoformat(),
        "unique_id": f"event-{number}",
        "metric": {"data": {"type": "metric", "attributes": {"name": metric}}},
        **({"backfill": True} if history else {}),
    }
    profile = {"type": "profile", "attributes": {"email": email}}
    return Deliver(
        id=new_id(now),
        store_id=STORE,
        family=Family.EVENTS,
        history=history,
        person=f"email:{email}",
        unique_id=f"event-{number}",
        subject_json=json.dumps(subject),
        profile_json=json.dumps(profile),
        accepted_at=now,
    )
