"""What the client's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .raw_server import RawServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    """A server that answers byte by byte what the test wants."""
    async with RawServer() as running:
        yield running
