"""PostgreSQL: a pool of connections used from threads; any number of processes share it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy import Connection, create_engine, event, func, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ferrata.infra.database.contract import Work
from ferrata.infra.errors import Rejected, StorageUnavailable

T = TypeVar("T")
log = structlog.get_logger()

CONNECTIONS = 12
SERIALIZATION_FAILURE, DEADLOCK = "40001", "40P01"
ATTEMPTS = 5
SESSION = (
    "synchronous_commit = on",
    "TIME ZONE 'UTC'",
    "statement_timeout = '60s'",
    "idle_in_transaction_session_timeout = '60s'",
)
# Classes of SQLSTATE that say nothing about the statement: none (no answer), connection, resources, operator, system.
SERVER_AT_FAULT = ("", "08", "53", "57", "58")


class PostgresDatabase:
    exclusive = False

    def __init__(self, url: str, *, allow_unsafe: bool = False) -> None:
        self._allow_unsafe = allow_unsafe
        self.committing: Callable[[int], AbstractContextManager[None]] = lambda _works: nullcontext()
        self.engine = create_engine(
            url,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5},
        )
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="postgres")

        @event.listens_for(self.engine, "connect")
        def _configure(connection: DBAPIConnection, _record: object) -> None:
            cursor = connection.cursor()
            for setting in SESSION:
                cursor.execute(f"SET {setting}")
            cursor.close()
            connection.commit()

    def check_durable(self) -> None:
        """Refuse a server that answers commits before they are on disk.

        Raises:
            StorageUnavailable: the server runs with ``fsync=off`` or ``full_page_writes=off``.
        """
        with self.engine.connect() as connection:
            unsafe = [
                name for name in ("fsync", "full_page_writes") if connection.exec_driver_sql(f"SHOW {name}").scalar_one() != "on"
            ]
        if unsafe and not self._allow_unsafe:
            raise StorageUnavailable(
                f"This PostgreSQL runs with {' and '.join(f'{name}=off' for name in unsafe)}: a power cut would lose accepted "
                "events. Turn it on (or set FERRATA_ALLOW_UNSAFE_DATABASE=true where nothing matters)."
            )

    async def read(self, work: Work[T]) -> T:
        return await self._run(work)

    async def write(self, work: Work[T]) -> T:
        def measured() -> T:
            with self.committing(1):
                return self._attempt(work)

        return await asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, measured)

    async def now(self) -> datetime:
        def clock(connection: Connection) -> datetime:
            instant: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            return instant

        return await self._run(clock)

    async def close(self) -> None:
        self._threads.shutdown()
        self.engine.dispose()

    async def _run(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._attempt, work)

    def _attempt(self, work: Work[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                with self.engine.begin() as connection:
                    return work(connection)
            except PoolTimeout as error:
                raise StorageUnavailable("Every connection to PostgreSQL is in use.") from error
            except DataError as error:  # U+0000 in a text, a number beyond the column's: the same request would fail again
                raise Rejected("This holds something that cannot be kept or looked for, such as the character U+0000.") from error
            except DBAPIError as error:
                state = getattr(error.orig, "sqlstate", None) or ""
                clash = state in (SERIALIZATION_FAILURE, DEADLOCK)
                if (clash and attempt < ATTEMPTS) or (error.connection_invalidated and attempt == 1):
                    log.info("database.work_repeated", attempt=attempt, reason=type(error.orig).__name__)
                    continue
                if clash or error.connection_invalidated or state[:2] in SERVER_AT_FAULT:
                    raise StorageUnavailable(f"PostgreSQL is not available: {type(error.orig).__name__}") from error
                raise
