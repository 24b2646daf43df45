"""On PostgreSQL, messages that one process keeps wake the worker of another at once."""

import asyncio
from contextlib import suppress

import pytest

from ferrata.infra.database import Database
from ferrata.infra.database.notices import listen
from ferrata.kit.clock import SystemClock
from ferrata.sources.bell import CHANNEL, Bell

pytestmark = pytest.mark.anyio


async def test_one_process_hears_what_another_has_kept(database: Database) -> None:
    if database.exclusive:
        pytest.skip("on SQLite there is no other process")
    heard = asyncio.Event()
    listening = asyncio.create_task(listen(database, CHANNEL, lambda _words: heard.set(), SystemClock()))
    bell = Bell(database)
    for _ in range(200):  # until the listener is connected
        bell.ring()
        with suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), 0.1)
            break
    assert heard.is_set()
    await bell.close()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
