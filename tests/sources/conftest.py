"""A whole Ferrata with the tests' shop as its only source, on each database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.entry.wiring import Wiring
from ferrata.events.schemas import EventFilter
from ferrata.kit.clock import MovedClock
from ferrata.sources.contract import Received, Reply
from ferrata.sources.schemas import KeptMessage, Receipt, State, Wanted
from ferrata.sources.service import Sources
from tests.doors import Doors, open_doors
from tests.sources.shop import SECRET, Shop, ShopApi, received

STORE = "default"


@dataclass
class Installed:
    """The doors, and what tests of sources do again and again."""

    doors: Doors
    api: ShopApi
    clock: MovedClock

    @property
    def wiring(self) -> Wiring:
        return self.doors.wiring

    @property
    def sources(self) -> Sources:
        return self.doors.wiring.sources

    async def set_up(self, rules: dict[str, Any] | None = None, store: str = STORE, **settings: Any) -> None:
        given = {"secret": SECRET, **settings}
        await self.sources.configurations.save(store, "shop", settings=given, rules=rules, enabled=True, actor=SYSTEM)

    async def take(self, *documents: Any) -> Receipt | Reply:
        """A genuine delivery of these messages."""
        return await self.deliver(received(list(documents), self.clock.now()))

    async def deliver(self, delivery: Received, store: str = STORE) -> Receipt | Reply:
        return await self.sources.receive("shop", store, delivery)

    async def map(self) -> int:
        return await self.sources.work_off(STORE, "shop")

    async def messages(self, *states: State, store: str = STORE) -> list[KeptMessage]:
        """Oldest first."""
        page = await self.sources.messages(Wanted(store_id=store, kind="shop", states=states), limit=1000)
        return [*reversed(page.rows)]

    async def events(self) -> list[tuple[str, str, bool]]:
        """Metric, unique id and whether it is history of every event that is kept, oldest first."""
        page = await self.wiring.events.explorer.page(STORE, EventFilter(), None, 1000)
        return [(s.event.metric, s.event.event_id or "", s.event.backfill) for s in reversed(page.rows)]


@pytest.fixture
async def shop(database_url: str, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Installed]:
    api = ShopApi()
    async with open_doors(database_url, tmp_path, clock, sources={"shop": Shop(api)}) as doors:
        yield Installed(doors, api, clock)
