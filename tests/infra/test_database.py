"""What both engines promise."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from ferrata.infra.database import Database
from tests.infra import table
from tests.infra.table import add, notes

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Database]:
    await table.make(database)
    yield database


class OurOwn(Exception):
    pass


class TestAWrite:
    async def test_is_seen_by_every_read_that_starts_after_it_returned(self, db: Database) -> None:
        for number in range(20):
            assert await db.write(add(number)) == number
            assert await db.read(table.count) == number + 1

    async def test_that_fails_undoes_itself_and_raises_its_own_error(self, db: Database) -> None:
        def work(connection: Connection) -> None:
            add(1)(connection)
            raise OurOwn("no")

        with pytest.raises(OurOwn, match="no"):
            await db.write(work)
        assert await db.read(table.count) == 0

    async def test_that_fails_among_many_undoes_itself_alone(self, db: Database) -> None:
        def failing(connection: Connection) -> None:
            add(1_000)(connection)
            raise OurOwn

        works = [failing if number % 5 == 0 else add(number) for number in range(100)]
        results = await asyncio.gather(*(db.write(work) for work in works), return_exceptions=True)
        assert [isinstance(result, OurOwn) for result in results] == [number % 5 == 0 for number in range(100)]
        assert await db.read(table.ids) == [number for number in range(100) if number % 5]

    async def test_that_breaks_a_constraint_among_many_leaves_the_others(self, db: Database) -> None:
        results = await asyncio.gather(*(db.write(add(number % 50)) for number in range(100)), return_exceptions=True)
        assert sum(isinstance(result, IntegrityError) for result in results) == 50
        assert await db.read(table.count) == 50

    async def test_counts_up_without_losing_one_of_many(self, db: Database) -> None:
        await db.write(add(1, "0"))

        def up(connection: Connection) -> None:
            row = connection.execute(select(notes.c.text).where(notes.c.id == 1).with_for_update()).scalar_one()
            connection.execute(update(notes).where(notes.c.id == 1).values(text=str(int(row) + 1)))

        await asyncio.gather(*(db.write(up) for _ in range(60)))
        assert await db.read(lambda connection: connection.execute(select(notes.c.text)).scalar_one()) == "60"


class TestACallerThatGivesUp:
    async def test_takes_nobody_else_along(self, db: Database) -> None:
        writes = [asyncio.ensure_future(db.write(add(number))) for number in range(60)]
        await asyncio.sleep(0)
        for write in writes[::2]:
            write.cancel()
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert results[1::2] == list(range(1, 60, 2))
        assert await db.write(add(1_000)) == 1_000


class TestAFaultyStatement:
    async def test_is_its_own_error_and_not_one_of_the_storage(self, db: Database) -> None:
        for act in (db.read, db.write):
            with pytest.raises(DBAPIError, match="nowhere"):
                await act(lambda connection: connection.execute(text("SELECT * FROM nowhere")))


class TestARead:
    async def test_sees_nothing_that_is_not_committed(self, db: Database) -> None:
        loop = asyncio.get_running_loop()
        inside, go_on = asyncio.Event(), asyncio.Event()

        def slow(connection: Connection) -> None:
            add(1)(connection)
            loop.call_soon_threadsafe(inside.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)

        writing = asyncio.create_task(db.write(slow))
        await inside.wait()
        assert await db.read(table.count) == 0
        go_on.set()
        await writing
        assert await db.read(table.count) == 1

    async def test_goes_on_beside_fifty_others(self, db: Database) -> None:
        await db.write(add(1))
        assert await asyncio.gather(*(db.read(table.count) for _ in range(50))) == [1] * 50


class TestClosing:
    async def test_waits_for_what_was_handed_in(self, db: Database) -> None:
        writes = [asyncio.create_task(db.write(add(number))) for number in range(30)]
        await asyncio.sleep(0)
        results = await asyncio.gather(*writes)
        assert results == list(range(30))
