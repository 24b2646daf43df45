"""A real Ferrata behind a real socket, and a network in front of it that can be cut."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from ferrata.access.schemas import Right
from ferrata.client.sending import Pace
from ferrata.kit.clock import SystemClock
from tests.doors import Doors, open_doors

QUICK = Pace(first_wait_seconds=0.01, longest_wait_seconds=0.05)


class Network(httpx2.BaseTransport):
    """Real connections, unless it is cut; ``loses_answers`` lets requests through and breaks off before the answer."""

    def __init__(self) -> None:
        self._real = httpx2.HTTPTransport()
        self.is_cut = threading.Event()
        self.loses_answers = threading.Event()
        self.requests = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if self.is_cut.is_set():
            raise httpx2.ConnectError("cut")
        answer = self._real.handle_request(request)
        if self.loses_answers.is_set():
            answer.close()
            self.loses_answers.clear()
            raise httpx2.ReadError("lost")
        return answer


class Served:
    def __init__(self, doors: Doors, url: str, token: str) -> None:
        self.doors = doors
        self.url = url
        self.token = token
        self.network = Network()

    def options(self, **options: Any) -> dict[str, Any]:
        return {"transport": self.network, "pace": QUICK} | options

    async def kept(self) -> list[dict[str, Any]]:
        answer = await self.doors.client.get("/events/export", headers={"authorization": f"Bearer {self.token}"})
        return [json.loads(line) for line in answer.text.splitlines()][::-1]


@pytest.fixture
async def served(sqlite_template: Path, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Served]:
    database_url = f"sqlite:///{tmp_path / 'client.db'}"
    async with open_doors(database_url, tmp_path / "data", SystemClock()) as doors:
        header = await doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ)
        config = uvicorn.Config(doors.app, host="127.0.0.1", port=0, lifespan="off", log_level="error")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(doors, f"http://127.0.0.1:{port}", header["authorization"].removeprefix("Bearer "))
        server.should_exit = True
        await serving
