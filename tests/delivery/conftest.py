"""A worker at work on a real database, against the sandbox on a real socket."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, select

from ferrata.audit.schemas import SYSTEM
from ferrata.catalog.schemas import CatalogChange
from ferrata.catalog.service import Catalog
from ferrata.commerce.tracked import ProfileChange
from ferrata.connections.service import Connections
from ferrata.delivery import jobs, lane, schedule
from ferrata.delivery.models import deliveries
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
from ferrata.profiles.service import Profiles
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

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.db, self.clock, self.service)

    @property
    def profiles(self) -> Profiles:
        return Profiles(self.db, self.clock, self.service)

    async def tell(self, *changes: CatalogChange | ProfileChange, history: bool = False) -> None:
        """Record changes of the catalogue and of people as a source does."""
        things = [each for each in changes if isinstance(each, CatalogChange)]
        people = [each for each in changes if isinstance(each, ProfileChange)]

        def work(connection: Connection) -> None:
            self.catalog.record(connection, STORE, things, history=history)
            self.profiles.change(connection, STORE, people, history=history)

        await self.db.write(work)
        self.catalog.wake(STORE)
        self.profiles.wake(STORE)

    async def quiet(self, seconds: float = 20.0) -> dict[str, State]:
        """Wait until nothing waits or is on its way; returns how every delivery ended."""

        def ended(connection: Connection) -> dict[str, State]:
            return {row.id: State(row.state) for row in connection.execute(select(deliveries.c.id, deliveries.c.state))}

        for _ in range(int(seconds / 0.05)):
            states = await self.db.read(ended)
            if not {State.WAITING, State.SENDING} & set(states.values()):
                return states
            await asyncio.sleep(0.05)
        raise AssertionError(f"not quiet within {seconds} s: {Counter(states.values())}")

    def told(self, kind: str) -> list[str]:
        """Effects of a kind such as ``catalog_item``, as ``created SKU``, in order."""
        found = [effect for effect in self.sandbox.effects() if effect["kind"].startswith(f"{kind}_")]
        return [f"{effect['kind'].rpartition('_')[2]} {(effect['subject'] or '').rpartition(':')[2]}".strip() for effect in found]

    def requests(self, path: str) -> list[str]:
        """Methods and statuses of the requests whose path contains this, in order."""
        return [f"{seen.method} {seen.status}" for seen in self.sandbox.journal.requests if path in seen.path]

    async def put(self, items: Sequence[Deliver]) -> list[str]:
        await self.db.write(lambda connection: self.service.put(connection, items))
        self.service.wake(STORE, Family.EVENTS)
        return [item.id for item in items]

    async def settled(self, ids: Iterable[str], seconds: float = 30.0) -> dict[str, State]:
        """Wait until nothing of these waits or is on its way any more."""
        wanted = list(ids)
        for _ in range(int(seconds / 0.05)):
            states = {id_: found.state for id_, found in (await self.states(wanted)).items()}
            if all(state in (State.DELIVERED, State.DEAD, State.DISCARDED, State.SUPERSEDED) for state in states.values()):
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
        worker = Worker(Tools(db, connections, clock, Random(1).random, name, watch, timedelta(days=30), stops=service.stops))
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


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same schedule, a tenth as long: what is tested is what happens, not how long it takes."""
    monkeypatch.setattr(schedule, "FIRST_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(schedule, "FIRST_PROBE_SECONDS", 0.3)
    monkeypatch.setattr(schedule, "LONGEST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(lane, "POLL_SECONDS", 0.2)
    monkeypatch.setattr(jobs, "ASK_AFTER_SECONDS", (0.1,))
