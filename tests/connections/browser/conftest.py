"""Ferrata on a socket before a sandbox on a socket, as a browser meets both: with an OAuth app, and an administrator."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.switches import Switches
from tests.connections.browser.place import Place, open_place


@pytest.fixture
def sandbox() -> Iterator[tuple[Sandbox, str]]:
    made = Sandbox(seed=1, switches=Switches(limits=False))
    with running(made) as served:
        yield made, served.url
    made.close()


@pytest.fixture
async def place(tmp_path: Path, sqlite_template: Path, sandbox: tuple[Sandbox, str], anyio_backend: str) -> AsyncIterator[Place]:
    file = tmp_path / "ferrata.db"
    file.write_bytes(sqlite_template.read_bytes())
    async with open_place(f"sqlite:///{file}", tmp_path, *sandbox) as opened:
        yield opened
