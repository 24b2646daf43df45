"""When the database cannot keep an event: 503 and nothing kept, or kept and said so; never half, never twice."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, func, select

from ferrata.access.schemas import Right
from ferrata.delivery.models import deliveries
from ferrata.events.intake import MOST_EVENTS_WAITING
from ferrata.events.models import events as events_table
from ferrata.events.schemas import Incoming, Receipt
from ferrata.events.service import Events
from ferrata.events.validation import event_from
from ferrata.infra.database import Database
from ferrata.infra.errors import Overloaded, StorageUnavailable
from ferrata.kit.clock import MovedClock
from tests.conftest import START
from tests.doors import Doors, open_doors
from tests.events.conftest import STORE

BODY = {"eventName": "A", "email": "a@b.co", "eventAttributes": {"text": "x" * 50_000}}


def event(number: int) -> Incoming:
    return event_from({"eventName": "A", "email": f"p{number % 5}@b.co", "eventId": f"o-{number}"}, START)


async def counts(database: Database) -> tuple[int, int]:
    def work(connection: Connection) -> tuple[int, int]:
        kept, to_send = (select(func.count()).select_from(table) for table in (events_table, deliveries))
        return connection.execute(kept).scalar_one(), connection.execute(to_send).scalar_one()

    return await database.read(work)


class TestSqlite:
    @pytest.fixture
    async def doors(self, tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Doors]:
        async with open_doors(f"sqlite:///{tmp_path / 'f.db'}", tmp_path, clock, accept_wait_ms=0) as doors:
            self.header = await doors.token(Right.EVENTS_WRITE)
            yield doors

    async def post(self, doors: Doors) -> int:
        answer = await doors.client.post("/events", json=BODY, headers=self.header)
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["error"] == "Service Unavailable"
        return answer.status_code

    async def test_a_full_disk_is_told_and_recovers(self, doors: Doors, tmp_path: Path) -> None:
        assert await self.post(doors) == 201
        engine = doors.wiring.database.engine
        with engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 4}")
        assert await self.post(doors) == 503
        assert await counts(doors.wiring.database) == (1, 1)
        assert await self.post(doors) == 201  # the connection that failed was replaced, and with it this test's limit
        assert await counts(doors.wiring.database) == (2, 2)

    async def test_a_foreign_lock_is_told_and_recovers(self, doors: Doors, tmp_path: Path) -> None:
        other = sqlite3.connect(tmp_path / "f.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        assert await self.post(doors) == 503
        other.execute("ROLLBACK")
        assert await self.post(doors) == 201
        assert await counts(doors.wiring.database) == (1, 1)
        other.close()


async def test_connections_that_break_lose_and_double_nothing(events: Events, database: Database, database_url: str) -> None:
    """Every session of PostgreSQL is terminated again and again while events come in."""
    if not database_url.startswith("postgresql"):
        pytest.skip("SQLite has no connections to break")
    kept: dict[int, Receipt] = {}

    async def send(number: int) -> None:
        while number not in kept:
            try:
                [kept[number]] = await events.accept(STORE, [event(number)], "api")
            except StorageUnavailable:
                await asyncio.sleep(0.01)

    broken = 0

    async def break_connections() -> None:
        nonlocal broken
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            while True:
                cursor = await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
                broken += cursor.rowcount
                await asyncio.sleep(0.02)

    breaking = asyncio.create_task(break_connections())
    for start in range(0, 600, 60):
        await asyncio.gather(*(send(number) for number in range(start, start + 60)))
    breaking.cancel()
    await asyncio.wait([breaking])
    assert broken > 10
    assert await counts(database) == (600, 600)
    assert len({receipt.event.id for receipt in kept.values()}) == 600


async def test_more_than_may_wait_is_refused(events: Events, database: Database) -> None:
    many = [event(number) for number in range(MOST_EVENTS_WAITING // 10 + 1)]
    given = await asyncio.gather(*(events.accept_each(str(n), many, "api") for n in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, Overloaded) for answer in given) == 1
    kept = sum(len(answer) for answer in given if isinstance(answer, list))
    assert await counts(database) == (kept, kept)
