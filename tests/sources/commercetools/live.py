"""Many stores of one Ferrata, each with its own commercetools project and its own account in the sandbox."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import Connection, func, select

from ferrata.audit.schemas import SYSTEM
from ferrata.delivery.models import deliveries
from ferrata.delivery.schemas import State
from ferrata.entry.wiring import Wiring, build
from ferrata.infra.guarded_transport import GuardedTransport
from ferrata.infra.public_addresses import PublicAddresses
from ferrata.sources.contract import Received
from ferrata.sources.schemas import KeptMessage, Wanted
from klaviyo_sandbox.server import Running
from tests.doors import settings as ferrata_settings
from tests.sources.commercetools.mock_api import CommercetoolsMock

KIND = "commercetools"
SECRET = "shared secret of the test"


class Projects(httpx2.AsyncBaseTransport):
    """The network towards commercetools: each project is found by its name in the path, its tokens by its client's id.

    What is no project is a queue on this machine.
    """

    def __init__(self) -> None:
        self.known: dict[str, CommercetoolsMock] = {}
        self.here = GuardedTransport(PublicAddresses("127.0.0.0/8"))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        name = request.url.host.partition(".")[0]
        if name not in self.known:
            return await self.here.handle_async_request(request)
        return await httpx2.ASGITransport(self.known[name]).handle_async_request(request)


@dataclass
class Live:
    wiring: Wiring
    klaviyo: Running
    projects: Projects

    async def store(self, name: str, mock: CommercetoolsMock, settings: dict[str, Any]) -> str:
        """A store with this project, and an account of its own in the sandbox."""
        account = f"CASE{len(self.projects.known):02d}"
        tenants, key = self.klaviyo.sandbox.tenants, f"pk_sandbox0key0of0{account}".ljust(37, "0")
        tenants.add_account(account, name=name, now=0.0)
        tenants.add_key(key, account)
        made = await self.wiring.connections.registry.create(None, name, actor=SYSTEM)
        await self.wiring.connections.set_private_key(made.id, key, actor=SYSTEM, test=False)
        self.projects.known[name] = mock
        address = {"api_url": f"http://{name}.test", "auth_url": f"http://{name}.test", "push": {"secret": SECRET}}
        configurations = self.wiring.sources.configurations
        await configurations.save(made.id, KIND, settings=settings | address, rules=None, enabled=True, actor=SYSTEM)
        return str(made.id)

    async def deliver(self, store_id: str, body: Any) -> None:
        """A genuine delivery; and everything that it makes, as far as Klaviyo."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        received = Received(body=text, at=self.wiring.clock.now(), headers={"authorization": f"Bearer {SECRET}"})
        await self.wiring.sources.receive(KIND, store_id, received)
        await self.wiring.sources.work_off(store_id, KIND)

    async def messages(self, store_id: str) -> list[KeptMessage]:
        return [*(await self.wiring.sources.messages(Wanted(store_id=store_id, kind=KIND))).rows]

    async def quiet(self, seconds: float = 30.0) -> None:
        """Until nothing waits or is on its way any more."""

        def under_way(connection: Connection) -> int:
            busy = deliveries.c.state.in_([State.WAITING, State.SENDING])
            return int(connection.execute(select(func.count()).where(busy)).scalar_one())

        for _ in range(int(seconds / 0.1)):
            if not await self.wiring.database.read(under_way):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"something still waits after {seconds} s")

    @asynccontextmanager
    async def sources_at_work(self) -> AsyncIterator[None]:
        """The worker of sources runs meanwhile, as it does in a server."""
        working = asyncio.create_task(self.wiring.sources.worker.run())
        try:
            yield
        finally:
            self.wiring.sources.worker.stop()
            await working

    async def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        for _ in range(int(seconds / 0.1)):
            if holds():
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"did not come true within {seconds} s")

    def effects(self, store: str) -> list[dict[str, Any]]:
        account = f"CASE{list(self.projects.known).index(store):02d}"
        return self.klaviyo.sandbox.effects(account_id=account)


@asynccontextmanager
async def live(folder: Path, klaviyo: Running) -> AsyncIterator[Live]:
    projects = Projects()
    given = ferrata_settings(f"sqlite:///{folder}/live.db", folder, allow_unsafe_database=True, klaviyo_base_url=klaviyo.url)
    wiring = build(given, source_transport=projects)
    await wiring.start()
    working = asyncio.create_task(wiring.worker.run())
    try:
        yield Live(wiring, klaviyo, projects)
    finally:
        wiring.worker.stop()
        with suppress(asyncio.CancelledError):
            await working
        await wiring.close()
