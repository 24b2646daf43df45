"""PostgreSQL when connections, transactions or the server itself die."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Connection, text, update

from ferrata.infra.database import Database, open_database
from ferrata.infra.errors import StorageUnavailable
from ferrata.kit.clock import MovedClock
from tests.infra import table
from tests.infra.table import add, notes
from tests.postgres import find_postgres, postgres_server

pytestmark = pytest.mark.anyio
END_ME = text("SELECT pg_terminate_backend(pg_backend_pid())")
END_OTHERS = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, postgres_url: str) -> object:
    """Only the one engine here."""
    from uuid import uuid4

    import psycopg

    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE ferrata_template')
        yield postgres_url.replace("/postgres?", f"/{name}?")
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Database]:
    await table.make(database)
    yield database


class TestAConnectionThatDies:
    async def test_between_works_is_replaced_unnoticed(self, db: Database) -> None:
        await asyncio.gather(*(db.read(table.count) for _ in range(20)))
        await db.write(lambda connection: connection.execute(END_OTHERS).scalar())
        assert await asyncio.gather(*(db.write(add(number)) for number in range(20))) == list(range(20))

    async def test_once_within_a_work_has_the_whole_work_done_again(self, db: Database) -> None:
        tries = []

        def work(connection: Connection) -> None:
            tries.append(1)
            add(1)(connection)
            if len(tries) == 1:
                connection.execute(END_ME)
                connection.execute(text("SELECT 1"))

        await db.write(work)
        assert len(tries) == 2
        assert await db.read(table.ids) == [1]

    async def test_each_time_within_a_work_is_told_and_leaves_nothing(self, db: Database) -> None:
        def work(connection: Connection) -> None:
            add(1)(connection)
            connection.execute(END_ME)
            connection.execute(text("SELECT 1"))

        with pytest.raises(StorageUnavailable):
            await db.write(work)
        assert await db.read(table.count) == 0


class TestTwoWorksThatLockEachOther:
    async def test_are_both_done_in_the_end(self, db: Database) -> None:
        await db.write(add(1))
        await db.write(add(2))
        loop = asyncio.get_running_loop()
        both = asyncio.Event()
        first_tries = []

        def locking(first: int, second: int) -> object:
            def work(connection: Connection) -> None:
                connection.execute(update(notes).where(notes.c.id == first).values(text=str(first)))
                if (first, second) not in first_tries:  # only the first time: until both hold their first row
                    first_tries.append((first, second))
                    if len(first_tries) == 2:
                        loop.call_soon_threadsafe(both.set)
                    asyncio.run_coroutine_threadsafe(both.wait(), loop).result(10)
                connection.execute(update(notes).where(notes.c.id == second).values(text=str(second)))

            return work

        await asyncio.gather(db.write(locking(1, 2)), db.write(locking(2, 1)))


class TestMoreWorksThanConnections:
    async def test_wait_for_their_turn(self, db: Database) -> None:
        def slow(connection: Connection) -> int:
            connection.execute(text("SELECT pg_sleep(0.05)"))
            return 1

        assert sum(await asyncio.gather(*(db.read(slow) for _ in range(60)))) == 60


class TestTheServer:
    async def test_that_loses_commits_in_a_power_cut_is_refused(self, database_url: str, clock: MovedClock) -> None:
        with pytest.raises(StorageUnavailable, match="fsync=off"):
            open_database(database_url, clock)

    async def test_that_is_killed_is_told_as_unavailable(self, clock: MovedClock) -> None:
        home = find_postgres()
        if home is None:
            pytest.skip("no PostgreSQL on this machine")
        with postgres_server(home) as url:
            db = open_database(url, clock, allow_unsafe=True)
            await table.make(db)
            await db.write(add(1))
            folder = Path(url.partition("host=")[2])
            os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            with pytest.raises(StorageUnavailable):
                for number in count(2):  # its children notice a moment later that their parent is gone, and serve until then
                    await asyncio.wait_for(db.write(add(number)), 20)
            with pytest.raises(StorageUnavailable):
                await asyncio.wait_for(db.write(add(0)), 20)
            await db.close()
