"""A whole Ferrata with the Segment connector, on each database."""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response

from ferrata.access.schemas import Right
from ferrata.events.schemas import Event, EventFilter
from ferrata.kit.clock import MovedClock
from ferrata.sources.schemas import KeptMessage, State, Wanted
from ferrata.sources.segment import SOURCE
from tests.doors import Doors, open_doors

STORE = "default"


@dataclass
class Desk:
    doors: Doors
    key: str = field(repr=False)

    async def call(self, name: str, body: Any, *, key: str | None = None, compressed: bool = False) -> Response:
        """As Segment's libraries do: Basic authentication, the write key as the user name."""
        credentials = base64.b64encode(f"{self.key if key is None else key}:".encode()).decode()
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Basic {credentials}", "content-type": "application/json"}
        if compressed:
            content, headers = gzip.compress(content), headers | {"content-encoding": "gzip"}
        return await self.doors.client.post(f"/v1/{name}", content=content, headers=headers)

    async def mapped(self) -> list[Event]:
        """Every event that is kept, oldest first, after all calls were mapped."""
        await self.doors.wiring.sources.work_off(STORE, "segment")
        page = await self.doors.wiring.events.explorer.page(STORE, EventFilter(), None, 1000)
        return [standing.event for standing in reversed(page.rows)]

    async def refused(self) -> list[KeptMessage]:
        wanted = Wanted(store_id=STORE, kind="segment", states=(State.REFUSED,))
        return list((await self.doors.wiring.sources.messages(wanted, limit=100)).rows)


@pytest.fixture
async def desk(database_url: str, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Desk]:
    async with open_doors(database_url, tmp_path, clock, sources={"segment": SOURCE}) as doors:
        header = await doors.token(Right.EVENTS_WRITE)
        yield Desk(doors, header["authorization"].removeprefix("Bearer "))
