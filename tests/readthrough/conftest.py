"""The whole application with its worker, connected to the sandbox over a socket, in real time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from ferrata.access.schemas import STORE_TOKEN
from ferrata.kit.clock import SystemClock
from klaviyo_sandbox.fault_presets import PRESETS
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.doors import Doors, open_doors


@dataclass
class Connected:
    doors: Doors
    sandbox: Sandbox
    headers: dict[str, str]

    async def get(self, path: str, **query: Any) -> httpx2.Response:
        return await self.doors.client.get(path, params=query, headers=self.headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return await self.doors.client.post(path, json=body, headers=self.headers | headers)

    def break_down(self, preset: str) -> None:
        """From now on Klaviyo does this to every request."""
        self.sandbox.unleash([Rule(effect=PRESETS[preset])])


@pytest.fixture
def sandbox() -> Iterator[tuple[Sandbox, str]]:
    made = Sandbox(seed=1)
    made.switch(visibility_delay_seconds=0)
    with running(made) as served:
        yield made, served.url
    made.close()


@pytest.fixture
async def connected(
    database_url: str, tmp_path: Path, sandbox: tuple[Sandbox, str], anyio_backend: str
) -> AsyncIterator[Connected]:
    made, url = sandbox
    key = SecretStr(DEFAULT_KEY)
    async with open_doors(
        database_url, tmp_path, SystemClock(), klaviyo_base_url=url, klaviyo_api_key=key, accept_wait_ms=10_000
    ) as doors:
        worker = doors.wiring.worker
        doors.wiring.delivery.worker = worker
        running_worker = asyncio.create_task(worker.run())
        try:
            yield Connected(doors, made, await doors.token(*STORE_TOKEN))
        finally:
            worker.stop()
            await running_worker
