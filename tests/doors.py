"""The whole application behind its doors, without a socket: what tests of rooms drive over HTTP and pages.

``open_doors`` gives the wiring and a client that is nobody yet; ``Doors.token`` and ``Doors.administrator`` make it somebody.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi.dependencies import models as dependency_models

from ferrata.access.passwords import Passwords
from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.entry.http import create_app
from ferrata.entry.wiring import Wiring, build
from ferrata.infra.settings import Settings
from ferrata.kit.clock import MovedClock
from ferrata.sources.contract import Source

ADDRESS = "http://ferrata.test"
ADMINISTRATOR, PASSWORD = "mira@example.com", "granite ledge copper rope"
MASTER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
CHEAP_PASSWORDS = {"time_cost": 1, "memory_kib": 64}
BROWSER = {"accept": "text/html,application/xhtml+xml", "sec-fetch-site": "same-origin", "user-agent": "Test Browser"}


@dataclass
class Doors:
    wiring: Wiring
    app: Any
    client: httpx2.AsyncClient

    async def token(self, *rights: Right, store_id: str | None = "default") -> dict[str, str]:
        """The header of a new token with these rights."""
        created = await self.wiring.access.tokens.create("test", actor=SYSTEM, store_id=store_id, rights=frozenset(rights))
        return {"authorization": f"Bearer {created.secret}"}

    async def administrator(self) -> httpx2.AsyncClient:
        """A browser in which the first administrator has just signed in."""
        issued = await self.wiring.access.first_administrator.issue_token()
        assert issued
        browser = self.browser()
        form = {"token": issued[0], "email": ADMINISTRATOR, "name": "Mira", "password": PASSWORD}
        answer = await browser.post("/setup", data=form)
        assert answer.status_code == 303, answer.text
        return browser

    def browser(self, address: str = "192.0.2.1", **headers: str) -> httpx2.AsyncClient:
        """A browser with a cookie jar of its own, at this address."""
        transport = httpx2.ASGITransport(self.app, raise_app_exceptions=False, client=(address, 40_000))
        return httpx2.AsyncClient(transport=transport, base_url=ADDRESS, headers=BROWSER | headers)


def settings(database_url: str, data_dir: Path, **values: Any) -> Settings:
    given = {"database_url": database_url, "data_dir": data_dir, "master_key": MASTER_KEY, "public_url": ADDRESS}
    return Settings(_env_file=None, **(given | values))


@asynccontextmanager
async def open_doors(
    database_url: str,
    data_dir: Path,
    clock: MovedClock,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    source_transport: httpx2.AsyncBaseTransport | None = None,
    sources: Mapping[str, Source] | None = None,
    **values: Any,
) -> AsyncIterator[Doors]:
    """Everything built and started; closed at the end."""
    made = settings(database_url, data_dir, allow_unsafe_database=True, **values)
    parts: dict[str, Any] = {"transport": transport, "source_transport": source_transport, "sources": sources}
    wiring = build(made, clock=clock, passwords=Passwords(**CHEAP_PASSWORDS), **parts)
    app = create_app(wiring)
    await wiring.start()
    inside = httpx2.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.9", 40_000))
    try:
        async with httpx2.AsyncClient(transport=inside, base_url=ADDRESS) as client:
            yield Doors(wiring, app, client)
    finally:
        await wiring.close()
        _let_go()


def _let_go() -> None:
    """FastAPI remembers thousands of callables, and with each of them the whole application that it belonged to."""
    for remembered in vars(dependency_models).values():
        if hasattr(remembered, "cache_clear"):
            remembered.cache_clear()
