"""A whole Ferrata against the sandbox, both without sockets, with a worker where a test wants one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from klaviyo_sandbox.app import create_app
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.doors import Doors, open_doors

STORE = "default"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(seed=1)
    yield made
    made.close()


@dataclass
class House:
    doors: Doors
    sandbox: Sandbox
    clock: MovedClock

    async def connect(self, store_id: str = STORE, key: str = DEFAULT_KEY) -> None:
        await self.doors.wiring.connections.set_private_key(store_id, key, actor=SYSTEM, test=False)

    async def get(self, path: str, *rights: Right, store_id: str | None = STORE) -> httpx2.Response:
        """Asked as somebody with these rights or, without any, as nobody in particular."""
        headers = await self.doors.token(*rights, store_id=store_id) if rights else {}
        return await self.doors.client.get(path, headers=headers)

    async def checks(self) -> dict[str, str]:
        told = (await self.get("/health")).json()
        return {check["name"]: check["status"] for check in told["checks"]}

    async def later(self, seconds: float = 2.1) -> None:
        """Until what is cached is looked at anew; and whatever waits for the clock gets a turn."""
        self.clock.advance(seconds)
        await asyncio.sleep(0.05)

    async def asked(self) -> int:
        """How often the sandbox was asked for the account."""
        await asyncio.sleep(0.05)
        return len([each for each in self.sandbox.journal.requests if each.path.rstrip("/") == "/api/accounts"])

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """As `ferrata serve`: the worker and the sign of life beside the doors."""
        wiring = self.doors.wiring
        wiring.delivery.worker = wiring.worker
        parts = (wiring.worker, wiring.health.presence)
        tasks = [asyncio.create_task(part.run()) for part in parts]
        await asyncio.sleep(0.1)
        await wiring.health.presence.beat()
        try:
            yield
        finally:
            for part in parts:
                part.stop()
            await asyncio.gather(*tasks)


OpenHouse = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def open_house(database_url: str, tmp_path: Path, clock: MovedClock, sandbox: Sandbox) -> OpenHouse:
    @asynccontextmanager
    async def opened(transport: httpx2.AsyncBaseTransport | None = None, **settings: Any) -> AsyncIterator[House]:
        given = {"klaviyo_base_url": "http://klaviyo.test", **settings}
        towards = transport or httpx2.ASGITransport(create_app(sandbox))
        async with open_doors(database_url, tmp_path, clock, transport=towards, **given) as doors:
            yield House(doors, sandbox, clock)

    return opened


@pytest.fixture
async def house(open_house: OpenHouse, anyio_backend: str) -> AsyncIterator[House]:
    async with open_house() as opened:
        yield opened
