"""A whole Ferrata behind its doors, on each database, and a shop that tells of its carts."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ferrata.access.schemas import Right
from ferrata.carts.schemas import Swept
from ferrata.entry.wiring import Wiring
from ferrata.events.schemas import Event, EventFilter
from ferrata.kit.clock import MovedClock
from tests.doors import Doors, open_doors

STORE = "default"
MUG = {"productId": "mug", "name": "Mug", "sku": "MUG-1", "quantity": 2, "price": "12.50", "url": "https://shop.example/mug"}
TEA = {"productId": "tea", "name": "Tea", "price": "4.90"}
JANE = {"email": "Jane@Example.com "}
MINUTE = 60.0


@dataclass
class Shop:
    doors: Doors
    clock: MovedClock
    headers: dict[str, str]

    @property
    def wiring(self) -> Wiring:
        return self.doors.wiring

    async def post(self, cart: str, act: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = await self.doors.client.post(f"/carts/{cart}/{act}", json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.doors.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def settle(self, **settings: Any) -> None:
        answer = await self.doors.client.put("/cart-settings", json=settings, headers=self.headers)
        assert answer.status_code == 200, answer.text

    async def passes(self, seconds: float) -> Swept:
        """Time goes by, and somebody looks at the carts."""
        self.clock.advance(seconds)
        return await self.wiring.carts.sweep()

    async def events(self, metric: str | None = None) -> list[Event]:
        """Oldest first."""
        page = await self.wiring.events.explorer.page(STORE, EventFilter(metric=metric), None, 1000)
        return [standing.event for standing in reversed(page.rows)]

    async def metrics(self) -> list[str]:
        return [event.metric for event in await self.events()]

    async def story(self, cart: str) -> list[str]:
        """What happened to a cart, oldest first."""
        return [entry["said"] for entry in reversed((await self.get(f"/carts/{cart}"))["story"])]


def properties(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(event.attributes or "{}")
    return found


@pytest.fixture
async def shop(database_url: str, tmp_path: Path, clock: MovedClock) -> AsyncIterator[Shop]:
    async with open_doors(database_url, tmp_path, clock, sources={}) as doors:
        rights = (Right.EVENTS_WRITE, Right.EVENTS_READ, Right.SOURCES_READ, Right.SOURCES_MANAGE)
        yield Shop(doors, clock, await doors.token(*rights))
