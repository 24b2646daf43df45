"""The application behind its doors, on each engine; its Klaviyo is the sandbox, and its worker runs when a test lets it."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ferrata.kit.clock import MovedClock
from tests.doors import Doors, open_doors


@pytest.fixture
async def doors(database_url: str, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Doors]:
    async with open_doors(database_url, tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """For what no database has a say in."""
    shutil.copy(sqlite_template, tmp_path / "ferrata.db")
    return f"sqlite:///{tmp_path / 'ferrata.db'}"
