"""Segment's own libraries, unmodified, against the real server: nothing but the address and the write key are ours."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from segment.analytics.client import Client

from ferrata.access.schemas import Right
from ferrata.kit.clock import MovedClock
from ferrata.sources.segment import SOURCE
from tests.browser import serve
from tests.doors import open_doors
from tests.sources.segment.conftest import Desk

pytestmark = pytest.mark.anyio
NODE_HOME = Path(os.environ.get("FERRATA_NODE_HOME", "web"))
NODE_LIBRARY = NODE_HOME / "node_modules/@segment/analytics-node"
NODE_SCRIPT = """
import { Analytics } from "@segment/analytics-node";
const analytics = new Analytics({ writeKey: process.argv[2], host: process.argv[3], flushAt: 2 });
let failed = 0;
analytics.on("error", (error) => { failed = 1; console.error(error); });
analytics.identify({ userId: "u-9", traits: { email: "node@example.com" } });
analytics.track({ userId: "u-9", event: "Song Played", properties: { title: "Ferrata" } });
await analytics.closeAndFlush();
process.exit(failed);
"""


@pytest.fixture
async def served(sqlite_template: Path, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[tuple[Desk, str]]:
    shutil.copy(sqlite_template, tmp_path / "ferrata.db")
    url = f"sqlite:///{tmp_path / 'ferrata.db'}"
    async with open_doors(url, tmp_path, clock, sources={"segment": SOURCE}) as doors:
        header = await doors.token(Right.EVENTS_WRITE)
        async with serve(doors.app) as address:
            yield Desk(doors, header["authorization"].removeprefix("Bearer ")), address


@pytest.mark.parametrize("compressed", [False, True])
async def test_the_python_library_is_served(served: tuple[Desk, str], compressed: bool) -> None:
    desk, address = served
    failures: list[object] = []
    client = Client(
        desk.key,
        host=address,
        gzip=compressed,
        max_retries=1,
        timeout=5,
        on_error=lambda error, _items: failures.append(error),
    )

    def use() -> None:
        client.identify("u-1", {"email": "jane@example.com", "firstName": "Jane"})
        client.track("u-1", "Order Completed", {"order_id": "7", "total": 19.9, "currency": "EUR", "products": []})
        client.page("u-1", "Docs", "Home", {"url": "https://example.com/"})
        client.screen("u-1", "App", "Start")
        client.group("u-1", "g-1", {"name": "Doe & Co"})
        client.alias("before", "u-1")
        client.track("u-1", "Old Song Played", timestamp=datetime(2020, 1, 1, tzinfo=UTC))
        client.join()

    await asyncio.to_thread(use)
    assert failures == []
    kept = {event.metric: event for event in await desk.mapped()}
    assert set(kept) == {"Placed Order", "Viewed Page", "Viewed Screen", "Old Song Played"}
    assert {event.email for event in kept.values()} == {"jane@example.com"}
    assert (kept["Placed Order"].value, kept["Placed Order"].currency) == ("19.9", "EUR")
    assert await desk.refused() == []


async def test_the_python_library_hears_of_a_bad_key(served: tuple[Desk, str]) -> None:
    _, address = served
    failures: list[object] = []
    client = Client("frt_bad_key", host=address, max_retries=1, timeout=5, on_error=lambda error, _items: failures.append(error))

    def use() -> None:
        client.track("u-1", "Song Played")
        client.join()

    await asyncio.to_thread(use)
    assert len(failures) == 1 and "unknown_token" in str(failures[0])


@pytest.mark.skipif(
    not shutil.which("node") or not NODE_LIBRARY.is_dir(),
    reason="no node here, or @segment/analytics-node is not in FERRATA_NODE_HOME or web",
)
async def test_the_node_library_is_served(served: tuple[Desk, str]) -> None:
    desk, address = served
    process = await asyncio.create_subprocess_exec(
        "node", "--input-type=module", "-", desk.key, address, stdin=asyncio.subprocess.PIPE, cwd=NODE_HOME
    )
    await asyncio.wait_for(process.communicate(NODE_SCRIPT.encode()), 30)
    assert process.returncode == 0
    assert [(event.metric, event.email) for event in await desk.mapped()] == [("Song Played", "node@example.com")]
