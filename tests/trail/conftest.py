"""The application behind its doors, on each engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ferrata.kit.clock import MovedClock
from tests.doors import Doors, open_doors


@pytest.fixture
async def doors(database_url: str, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Doors]:
    async with open_doors(database_url, tmp_path, clock) as opened:
        yield opened
