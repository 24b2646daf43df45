"""A database that is only looked at: nothing is created, migrated or written, and a server that holds the file goes on."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import NoReturn, TypeVar

from sqlalchemy import create_engine, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError

from ferrata.infra.database.contract import Work
from ferrata.infra.database.exclusive import may_be_sqlite
from ferrata.infra.database.sqlite import sqlite_engine
from ferrata.infra.errors import Rejected, StorageUnavailable
from ferrata.kit.clock import Clock

T = TypeVar("T")
CONNECT_SECONDS = 5


class NoDatabaseYet(StorageUnavailable):
    """There is no database yet; the first start makes it."""

    code = "no_database_yet"


class LookedAtDatabase:
    """``path`` is that of a SQLite file, None on PostgreSQL."""

    exclusive = False

    def __init__(self, url: str, clock: Clock) -> None:
        """Raises Rejected, NoDatabaseYet, StorageUnavailable."""
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise Rejected("DATABASE_URL is not a URL.") from error
        self.committing: Callable[[int], AbstractContextManager[None]] = lambda _works: nullcontext()
        self._clock = clock
        self.path = Path(parsed.database or "").resolve() if parsed.get_backend_name() == "sqlite" else None
        if self.path is None:
            limits = {"connect_timeout": CONNECT_SECONDS, "options": "-c default_transaction_read_only=on"}
            self.engine = create_engine(parsed.set(drivername="postgresql+psycopg"), pool_size=2, connect_args=limits)
            return
        if not self.path.exists():
            raise NoDatabaseYet
        if not may_be_sqlite(self.path):
            raise StorageUnavailable(f"{self.path} is not a SQLite database.")
        self.engine = sqlite_engine(self.path, read_only=True, pool_size=2)

    async def read(self, work: Work[T]) -> T:
        def run() -> T:
            try:
                with self.engine.begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                raise StorageUnavailable(f"The database cannot be read: {error.orig}") from error

        return await asyncio.to_thread(run)

    async def write(self, work: Work[T]) -> NoReturn:
        raise StorageUnavailable("This database is only looked at.")

    async def now(self) -> datetime:
        if self.path is not None:
            return self._clock.now()
        now: datetime = await self.read(lambda connection: connection.execute(select(func.clock_timestamp())).scalar_one())
        return now

    async def close(self) -> None:
        self.engine.dispose()
