"""A shop for each test, and one that is only looked at for all of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.pages.shop import Guided, Shop, open_shop


@pytest.fixture
async def shop(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as opened:
        yield opened


@pytest.fixture
async def guided(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Guided]:
    async with open_shop(tmp_path, token="frt_shown_in_the_guide") as opened:
        yield Guided(opened, "frt_shown_in_the_guide")


@pytest.fixture
async def keyless(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Shop]:
    """A shop whose store has no key for Klaviyo yet."""
    async with open_shop(tmp_path, key=None) as opened:
        yield opened
